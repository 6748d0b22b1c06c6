// The token of a paired phone, which the Gateway keeps in its jts.ini: [Communication] 2ndFactor.
package ibgateway;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

final class PairedDevice {
  private static final String SECTION = "[Communication]";
  private static final String KEY = "2ndFactor=";

  private PairedDevice() {}

  static void keep(Path settingsDir, String token) {
    Path file = settingsDir.resolve("jts.ini");
    try {
      List<String> lines =
          new ArrayList<>(Files.exists(file) ? Files.readAllLines(file, StandardCharsets.ISO_8859_1) : List.of());
      lines.removeIf(line -> line.startsWith(KEY));
      if (!lines.contains(SECTION)) lines.add(SECTION);
      lines.add(lines.indexOf(SECTION) + 1, KEY + token);
      Files.write(file, lines, StandardCharsets.ISO_8859_1);
      Console.say("second factor token written");
    } catch (IOException e) {
      Console.say("second factor token could not be written: " + e.getMessage());
    }
  }
}
