package ibcalpha.ibc;

import java.awt.Toolkit;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.TimeZone;
import java.util.TreeMap;

/** Takes IBC's place on the class path and prints what it was started with, one fact a line. */
public final class IbcGateway {
    public static void main(String[] args) throws Exception {
        for (int index = 0; index < args.length; index++) say("arg" + index, args[index]);
        say("cwd", Path.of("").toAbsolutePath().toString());
        for (Map.Entry<String, String> entry : new TreeMap<>(System.getenv()).entrySet()) {
            say("env", entry.getKey() + "=" + entry.getValue());
        }
        for (String name : new String[] {"jtsConfigDir", "ibcsessionid", "restart", "a.blank"}) {
            say(name, String.valueOf(System.getProperty(name)));
        }
        say("zone", TimeZone.getDefault().getID());
        for (int descriptor = 0; descriptor <= 2; descriptor++) {
            for (String line : Files.readAllLines(Path.of("/proc/self/fdinfo/" + descriptor))) {
                if (line.startsWith("flags:")) say("flags" + descriptor, line.substring(6).trim());
            }
        }
        say("stdin", Path.of("/proc/self/fd/0").toRealPath().toString());

        Properties ini = new Properties();
        try (InputStream in = new FileInputStream(args[0])) {
            ini.load(in);
        }
        // IBC trims; as hexadecimal UTF-16 units, so that no encoding on the way can hide a difference.
        StringBuilder hex = new StringBuilder();
        for (char unit : ini.getProperty("IbPassword").trim().toCharArray()) hex.append(String.format("%04x", (int) unit));
        say("password", hex.toString());
        say("screen", Toolkit.getDefaultToolkit().getScreenSize().width + "x" + Toolkit.getDefaultToolkit().getScreenSize().height);

        Path flood = Path.of("flood");
        if (Files.exists(flood)) {
            int count = Integer.parseInt(Files.readString(flood).trim());
            for (int line = 0; line < count; line++) {
                (line % 2 == 0 ? System.out : System.err).println("line " + line + " of a gateway that has much to say");
            }
        }
        System.out.flush();
        Runtime.getRuntime().halt(1111);
    }

    private static void say(String what, String value) {
        System.out.println("probe " + what + " " + value);
    }
}
