package ibcalpha.ibc;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** What a test may ask of the double itself, in the same file as the stand-in Gateway's scenario; the real program has no such file. */
final class Scenario {
    private Scenario() {}

    /** The value of a key that starts with {@code ibc.}, or nothing. */
    static String text(String key) {
        Path file = Path.of(System.getProperty("user.dir"), "standin.properties");
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        } catch (IOException | IllegalArgumentException problem) {
            return "";
        }
        return properties.getProperty(key, "").trim();
    }
}
