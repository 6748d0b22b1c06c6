// The scenario file <settings>/standin.properties: values fixed at start, and orders under "now." that act while the JVM runs.
package ibgateway;

import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.BiConsumer;

final class Scenario {
  /** A duration that never ends. */
  static final long NEVER = -1;

  private static final String FILE = "standin.properties";
  private static final long POLL_MS = 100;

  /** When one change of the file holds several orders they act in this order. */
  static final List<String> ORDERS =
      List.of(
          "now.print", "now.api.mode", "now.connectivity", "now.farm", "now.dialog", "now.close.dialogs",
          "now.approve", "now.freeze.ms", "now.restart", "now.exit", "now.crash");

  private final Path file;
  private final Properties fixed;
  private final Map<String, String> seen = new LinkedHashMap<>();

  private Scenario(Path file, Properties fixed) {
    this.file = file;
    this.fixed = fixed;
  }

  static Scenario load(Path settings) {
    Path file = settings.resolve(FILE);
    Properties read = read(file);
    Scenario scenario = new Scenario(file, read == null ? new Properties() : read);
    for (String key : ORDERS) {
      String value = scenario.fixed.getProperty(key);
      if (value != null) scenario.seen.put(key, value);
    }
    return scenario;
  }

  /** Reads the file as java.util.Properties text in UTF-8 (escapes work as usual); null when there is none. */
  private static Properties read(Path file) {
    try {
      Properties properties = new Properties();
      properties.load(new StringReader(Files.readString(file, StandardCharsets.UTF_8)));
      return properties;
    } catch (IOException | IllegalArgumentException e) {
      return null;
    }
  }

  /** Watches the file for ever on a thread of its own and hands each new order to the handler. */
  void watch(BiConsumer<String, String> handler) {
    Thread thread = new Thread(() -> poll(handler), "standin-scenario");
    // Not a daemon: without IBC nothing else would keep the JVM alive before the first window opens.
    thread.setDaemon(false);
    thread.start();
  }

  private void poll(BiConsumer<String, String> handler) {
    while (true) {
      try {
        Thread.sleep(POLL_MS);
      } catch (InterruptedException e) {
        return;
      }
      Properties now = read(file);
      if (now == null) continue;
      for (String key : ORDERS) {
        String value = now.getProperty(key);
        if (value == null || value.equals(seen.get(key))) continue;
        seen.put(key, value);
        int mark = value.lastIndexOf('#');
        try {
          handler.accept(key, (mark >= 0 ? value.substring(0, mark) : value).trim());
        } catch (RuntimeException e) {
          Console.say("scenario order " + key + " failed: " + e);
        }
      }
    }
  }

  String text(String key, String otherwise) {
    String value = fixed.getProperty(key);
    return value == null || value.isBlank() ? otherwise : value.trim();
  }

  /** Credentials are compared as they are: a blank at either end belongs to them. */
  String exact(String key) {
    return fixed.getProperty(key);
  }

  boolean yes(String key, boolean otherwise) {
    String value = text(key, otherwise ? "yes" : "no");
    return value.equalsIgnoreCase("yes") || value.equalsIgnoreCase("true");
  }

  boolean has(String key) {
    return text(key, null) != null;
  }

  /** A number of milliseconds, or NEVER. */
  long millis(String key, long otherwise) {
    String value = text(key, null);
    if (value == null) return otherwise;
    if (value.equalsIgnoreCase("never")) return NEVER;
    return number(key, value);
  }

  int integer(String key, int otherwise) {
    String value = text(key, null);
    return value == null ? otherwise : (int) number(key, value);
  }

  private static long number(String key, String value) {
    try {
      return Long.parseLong(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("scenario key " + key + " needs a number, not '" + value + "'");
    }
  }
}
