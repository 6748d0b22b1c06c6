// The settings a user keeps between runs, in <settings>/<40-letter directory>/gateway.properties.
package ibgateway;

import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Properties;

final class UserSettings {
  private static final String FILE = "gateway.properties";

  final Path directory;
  private final Properties values = new Properties();

  UserSettings(Path settings, String directoryName) {
    directory = settings.resolve(directoryName);
    Path file = directory.resolve(FILE);
    if (Files.isRegularFile(file)) {
      try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        values.load(reader);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot read " + file, e);
      }
    }
  }

  /** Real installs name the directory by 40 letters per user; here they are derived from the user name. */
  static String directoryOf(String user) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-512");
      byte[] bytes = digest.digest(user.toLowerCase(java.util.Locale.ROOT).getBytes(StandardCharsets.UTF_8));
      StringBuilder name = new StringBuilder();
      for (int i = 0; i < 40; i++) name.append((char) ('a' + (bytes[i] & 0xff) % 26));
      return name.toString();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  synchronized String get(String key, String otherwise) {
    return values.getProperty(key, otherwise);
  }

  synchronized void put(String key, String value) {
    values.setProperty(key, value);
  }

  synchronized void save() {
    try {
      Files.createDirectories(directory);
      Path fresh = directory.resolve(FILE + ".new");
      try (Writer writer = Files.newBufferedWriter(fresh, StandardCharsets.UTF_8)) {
        values.store(writer, null);
      }
      Files.move(fresh, directory.resolve(FILE), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write the user settings in " + directory, e);
    }
  }
}
