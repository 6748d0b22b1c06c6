// Owns the entry of the agent: reads its argument, starts one daemon thread, and returns to the JVM's start at once.
package ibagent.bridge;

import java.lang.instrument.Instrumentation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Argument: {@code SOCKET,uids=UID:UID…}. The socket's path must be absolute; the JVM's own user is always served.
 *
 * <p>The sources do without lambdas and without string concatenation by invokedynamic: their bootstrap would cost the
 * start of every JVM some tens of milliseconds and a few megabytes.
 */
public final class Agent {
  private static final String UIDS = ",uids=";
  private static final int STACK_BYTES = 512 * 1024;

  private Agent() {}

  public static void premain(String argument, Instrumentation instrumentation) {
    long began = System.nanoTime();
    try {
      String text = argument == null ? "" : argument;
      int at = text.lastIndexOf(UIDS);
      Path socket = Path.of(at < 0 ? text : text.substring(0, at));
      if (!socket.isAbsolute()) throw new IllegalArgumentException("the socket's path must be absolute");
      List<String> uids = at < 0 ? List.of() : numbers(text.substring(at + UIDS.length()));
      Server server = new Server(socket, uids, instrumentation);
      thread(server, "ib-bridge").start();
      server.premainTook(System.nanoTime() - began);
    } catch (Throwable problem) {
      complain(problem);
    }
  }

  /** A bridge thread: it never keeps the JVM alive. */
  static Thread thread(Runnable work, String name) {
    Thread thread = new Thread(null, work, name, STACK_BYTES);
    thread.setDaemon(true);
    return thread;
  }

  /** The only thing that the bridge ever writes: it goes to the journal of the session. */
  static void complain(Throwable problem) {
    try {
      System.err.println("ib-bridge: no window bridge in this JVM: " + problem);
    } catch (Throwable ignored) {
      // There is nobody left to tell.
    }
  }

  private static List<String> numbers(String list) {
    List<String> numbers = new ArrayList<>();
    for (String each : list.split(":")) {
      if (!each.matches("[0-9]{1,10}")) throw new IllegalArgumentException("uids must be numbers");
      numbers.add(each);
    }
    return numbers;
  }
}
