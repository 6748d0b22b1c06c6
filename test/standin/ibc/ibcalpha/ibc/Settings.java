package ibcalpha.ibc;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;

/** Owns the ini file: where it is, how it is read and echoed, and what a missing or odd value means. */
final class Settings {
    private static final Set<String> MASKED = Set.of("ibloginid", "ibpassword", "fixloginid", "fixpassword");
    private final Properties properties = new Properties();
    final String path;

    private Settings(String path) {
        this.path = path;
    }

    /** The file the first argument stands for: a path, {@code NULL}, or nothing. */
    static String locate(String argument) {
        if (argument.equalsIgnoreCase("NULL")) {
            String user = System.getProperty("user.name").toLowerCase().replaceAll("[^a-z0-9]", "_");
            return System.getProperty("user.dir") + File.separator + "config." + user + ".ini";
        }
        if (argument.isEmpty()) {
            return System.getProperty("user.home") + File.separator + "ibc" + File.separator + "config.ini";
        }
        return argument;
    }

    static Settings read(String path) {
        Settings settings = new Settings(path);
        if (!new File(path).isFile()) {
            Log.fatal(ExitCode.INI_MISSING, "ini file \"" + path + "\" either does not exist, or is a directory.  quitting...");
        }
        try (InputStream in = new FileInputStream(path)) {
            settings.properties.load(in);
        } catch (IOException | IllegalArgumentException problem) {
            Log.line("Exception accessing Properties file " + path);
            Log.exception(problem);
        }
        return settings;
    }

    void echo() {
        StringBuilder text = new StringBuilder("IBC Settings:\n");
        for (var entry : new TreeMap<>(properties).entrySet()) {
            String name = (String) entry.getKey();
            String value = (String) entry.getValue();
            boolean hidden = MASKED.contains(name.toLowerCase()) && !value.isEmpty();
            text.append("    ").append(name).append('=').append(hidden ? "***" : value).append('\n');
        }
        Log.raw(text.append("End IBC Settings\n").toString());
    }

    String text(String name) {
        return text(name, "");
    }

    /** Text is trimmed; nothing means the default. */
    String text(String name, String whenEmpty) {
        String value = properties.getProperty(name, "").trim();
        return value.isEmpty() ? whenEmpty : value;
    }

    /** The value as it stands in the file, for the settings that are not trimmed. */
    String untrimmed(String name) {
        return properties.getProperty(name, "");
    }

    int number(String name, int whenEmpty) {
        String value = untrimmed(name);
        if (value.isEmpty()) {
            return whenEmpty;
        }
        try {
            return Integer.parseInt(value);
        } catch (NumberFormatException problem) {
            Log.line("Invalid number \"" + value + "\" for property \"" + name + "\"");
            return whenEmpty;
        }
    }

    boolean flag(String name, boolean whenEmpty) {
        String value = untrimmed(name);
        if (value.equalsIgnoreCase("yes") || value.equalsIgnoreCase("true")) {
            return true;
        }
        if (value.equalsIgnoreCase("no") || value.equalsIgnoreCase("false")) {
            return false;
        }
        return whenEmpty;
    }

    boolean fix() {
        return flag("FIX", false);
    }

    /** The newer name wins; empty falls back to the older one. */
    boolean reloginAfterSecondFactorTimeout() {
        String name = "ReloginAfterSecondFactorAuthenticationTimeout";
        return untrimmed(name).isEmpty() ? flag("ExitAfterSecondFactorAuthenticationTimeout", false) : flag(name, false);
    }
}
