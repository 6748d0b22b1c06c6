package ibcalpha.ibc;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Owns {@code jts.ini}: creates the minimal file, or adds and corrects the lines Gateway needs. */
final class JtsIni {
    private record Required(String section, String name, String value, boolean forced) {}

    private final Path path;
    private final List<Required> required;

    JtsIni(String directory, Settings settings) {
        path = Path.of(directory, "jts.ini");
        String clients = settings.text("TrustedTwsApiClientIPs");
        required = List.of(
                new Required("[Logon]", "s3store", "true", false),
                new Required("[Logon]", "Locale", "en", false),
                new Required("[Logon]", "displayedproxymsg", "1", false),
                new Required("[Logon]", "UseSSL", "true", true),
                new Required("[IBGateway]", "ApiOnly", "true", true),
                new Required("[IBGateway]", "TrustedIPs", "127.0.0.1" + (clients.isEmpty() ? "" : "," + clients), true));
    }

    void ensure() {
        if (Files.isDirectory(path)) {
            Log.fatal(ExitCode.JTS_INI_PATH, path + " already exists but is a directory");
        }
        if (!Files.exists(path)) {
            create();
            return;
        }
        amend();
    }

    /** The first file has no TrustedIPs line; the next start adds it. */
    private void create() {
        Log.line("Creating minimal " + path);
        List<String> lines = new ArrayList<>();
        for (Required item : required) {
            if (item.name().equals("TrustedIPs")) {
                continue;
            }
            if (!lines.contains(item.section())) {
                lines.add(item.section());
            }
            lines.add(item.name() + "=" + item.value());
        }
        write(lines, "Problem creating ");
    }

    private void amend() {
        Log.line("Ensuring " + path + " contains required minimal lines");
        List<String> lines;
        try {
            lines = new ArrayList<>(Files.readAllLines(path, StandardCharsets.ISO_8859_1));
        } catch (IOException problem) {
            Log.fatal(ExitCode.JTS_INI_IO, "Unexpected IOException on " + path + ": " + problem.getMessage());
            return;
        }
        boolean missing = false;
        boolean updated = false;
        for (Required item : required) {
            String label = item.section() + "/" + item.name() + "=";
            int at = indexOf(lines, item);
            if (at < 0) {
                Log.line("Can't find setting: " + label + item.value());
                insert(lines, item);
                missing = true;
                continue;
            }
            String value = lines.get(at).substring(item.name().length() + 1);
            if (item.forced() && !value.equals(item.value())) {
                Log.line("Found setting: " + label + value + ": updating value to " + item.value());
                lines.set(at, item.name() + "=" + item.value());
                updated = true;
            } else {
                Log.line("Found setting: " + label + value);
            }
        }
        if (!missing && !updated) {
            Log.line("Confirmed " + path + " contains required minimal lines");
            return;
        }
        if (missing) {
            Log.line("Missing lines in " + path);
        }
        if (updated) {
            Log.line("Some settings updated in " + path);
        }
        Log.line("Rewriting existing " + path);
        write(lines, "Problem writing to ");
    }

    private static int indexOf(List<String> lines, Required item) {
        boolean inside = false;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.startsWith("[")) {
                inside = line.equals(item.section());
            } else if (inside && line.startsWith(item.name() + "=")) {
                return i;
            }
        }
        return -1;
    }

    private static void insert(List<String> lines, Required item) {
        int section = lines.indexOf(item.section());
        if (section < 0) {
            lines.add(item.section());
            lines.add(item.name() + "=" + item.value());
            return;
        }
        int end = section + 1;
        while (end < lines.size() && !lines.get(end).startsWith("[")) {
            end++;
        }
        lines.add(end, item.name() + "=" + item.value());
    }

    private void write(List<String> lines, String problemText) {
        for (String line : lines) {
            Log.line("    jts.ini: " + line);
        }
        try {
            Files.write(path, lines, StandardCharsets.ISO_8859_1);
        } catch (IOException problem) {
            Log.fatal(ExitCode.JTS_INI_IO, problemText + path + ": " + problem.getMessage());
        }
    }
}
