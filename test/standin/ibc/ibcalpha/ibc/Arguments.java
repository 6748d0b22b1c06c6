package ibcalpha.ibc;

import java.util.Locale;

/** The main class's arguments: zero to six words, credentials and mode optional. */
record Arguments(String ini, String user, String password, String mode, boolean modeGiven) {
    static Arguments parse(String[] words) {
        if (words.length > 6) {
            synchronized (Log.class) {
                Log.error("Incorrect number of arguments passed. quitting...");
                Log.raw("Number of arguments = " + words.length);
                for (String word : words) {
                    Log.raw(word);
                }
                Log.end(ExitCode.ARGUMENT_COUNT);
            }
        }
        String ini = Settings.locate(words.length == 0 ? "NULL" : words[0]);
        return switch (words.length) {
            case 0 -> new Arguments(ini, null, null, "live", true);
            case 1 -> new Arguments(ini, null, null, null, false);
            case 2 -> new Arguments(ini, null, null, words[1], true);
            case 3 -> new Arguments(ini, words[1], words[2], null, false);
            case 4 -> new Arguments(ini, words[1], words[2], words[3], true);
            case 5 -> new Arguments(ini, words[3], words[4], null, false);
            default -> new Arguments(ini, words[3], words[4], words[5], true);
        };
    }

    boolean credentialsGiven() {
        return user != null;
    }

    /** {@code sun.java.command} as it is logged: all words after the ini but the last are hidden. */
    static String maskCommand(String command) {
        String[] words = command.split(" ", -1);
        for (int i = 2; i < words.length - 1; i++) {
            words[i] = "***";
        }
        return String.join(" ", words);
    }

    static String checkMode(String mode) {
        String known = mode.toLowerCase(Locale.ROOT);
        if (!known.equals("live") && !known.equals("paper")) {
            Log.fatal(ExitCode.TRADING_MODE, "Invalid Trading Mode argument or .ini file setting: null");
        }
        return known;
    }
}
