package ibcalpha.ibc;

/** The exit codes a supervisor sees modulo 256. */
final class ExitCode {
    static final int UNHANDLED_EXCEPTION = 1100;
    static final int CONTROL_MISSING = 1101;
    static final int ARGUMENT_COUNT = 1102;
    static final int INI_MISSING = 1103;
    static final int TRADING_MODE = 1104;
    static final int SETTING_VALUE = 1105;
    static final int SETTINGS_DIRECTORY = 1106;
    static final int ENTRY_POINT = 1107;
    static final int JTS_INI_PATH = 1108;
    static final int JTS_INI_IO = 1109;
    static final int STATE = 1110;
    static final int SECOND_FACTOR = 1111;
    static final int LOGIN_DIALOG = 1112;

    private ExitCode() {}
}
