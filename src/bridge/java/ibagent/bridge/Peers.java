// Owns who is served: the users named in the agent's argument and the JVM's own, by the kernel's word on the peer.
package ibagent.bridge;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.SocketOption;
import java.nio.channels.SocketChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;

final class Peers {
  /** SO_PEERCRED; null in a runtime without the module jdk.net. */
  private final SocketOption<?> option;

  private final List<UserPrincipal> served = new ArrayList<>();

  /** @param socket a file that this process has made: its owner is the user that the JVM runs as */
  Peers(Path socket, List<String> uids) throws IOException {
    option = findOption();
    served.add(Files.getOwner(socket));
    for (String uid : uids) {
      try {
        // A number that is no user's name is taken for a uid; users are equal when their uids are.
        served.add(FileSystems.getDefault().getUserPrincipalLookupService().lookupPrincipalByName(uid));
      } catch (IOException | UnsupportedOperationException e) {
        // That user is not served.
      }
    }
  }

  /** The peer, for counting; null when it is not to be served. Without peer credentials the directory's mode decides. */
  Object admit(SocketChannel channel) {
    if (option == null || !channel.supportedOptions().contains(option)) return "unknown";
    try {
      Object credentials = channel.getOption(option);
      Method user = credentials.getClass().getMethod("user");
      Object principal = user.invoke(credentials);
      return served.contains(principal) ? principal : null;
    } catch (IOException | ReflectiveOperationException | RuntimeException e) {
      return null;
    }
  }

  private static SocketOption<?> findOption() {
    try {
      Object option = Class.forName("jdk.net.ExtendedSocketOptions").getField("SO_PEERCRED").get(null);
      return (SocketOption<?>) option;
    } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
      return null;
    }
  }
}
