package ibcalpha.ibc;

import java.io.File;
import java.lang.reflect.InvocationTargetException;

/** Stand-in for the controller program: same command line, same output, same hold on the Gateway in its JVM. */
public final class IbcGateway {
    private static final String VERSION = "3.24.1";

    private IbcGateway() {}

    public static void main(String[] words) {
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> Log.fatal(ExitCode.UNHANDLED_EXCEPTION, thrown));
        Arguments arguments = Arguments.parse(words);
        Settings settings = Settings.read(arguments.ini());
        Log.setStackTraces(settings.flag("IncludeStackTraceForExceptions", false));
        settings.echo();
        if (arguments.modeGiven()) {
            Arguments.checkMode(arguments.mode());
        }
        Ibc ibc = new Ibc(arguments, settings);
        announce(ibc);
        ibc.commandServer.start();
        new Schedule(ibc).arm();
        new Windows(ibc).watch();
        String directory = settingsDirectory(settings);
        ibc.login.startSession();
        new JtsIni(directory, settings).ensure();
        startGateway(directory);
        new ConfigTasks(ibc).startAll();
    }

    private static void announce(Ibc ibc) {
        Arguments arguments = ibc.arguments;
        Log.line("version: " + VERSION);
        StringBuilder dump = new StringBuilder("System Properties\n").append("-".repeat(60)).append('\n');
        for (String name : System.getProperties().stringPropertyNames()) {
            String value = System.getProperty(name);
            dump.append(name).append(" = ").append(name.equals("sun.java.command") ? Arguments.maskCommand(value) : value).append('\n');
        }
        Log.raw(dump.append("-".repeat(60)).toString());
        Log.line("using default settings provider: ini file is " + ibc.settings.path);
        String source = arguments.credentialsGiven() ? "args" : "settings";
        Log.line("using default login manager: will get username and password from " + source
                + "; FIX username and password (if required) from " + source);
        Log.line("using default main window manager");
        Log.line("using default trading mode manager: constructor parameter args" + (arguments.modeGiven()
                ? ": tradingMode=" + ibc.tradingMode()
                : " but trading mode not present - will be taken from settings"));
        Log.line("using default config dialog manager");
    }

    private static String settingsDirectory(Settings settings) {
        String path = settings.text("IbDir", System.getProperty("user.dir"));
        File directory = new File(path);
        if (directory.isFile()) {
            Log.fatal(ExitCode.SETTINGS_DIRECTORY,
                    "Failed to create TWS settings directory at: " + path + "; a file of that name already exists");
        }
        directory.mkdirs();
        Log.line("TWS Settings directory is: " + path);
        return path;
    }

    private static void startGateway(String directory) {
        Log.line("Starting Gateway");
        try {
            Class.forName("ibgateway.GWClient").getMethod("main", String[].class).invoke(null, (Object) new String[] {directory});
        } catch (InvocationTargetException problem) {
            Log.fatal(ExitCode.ENTRY_POINT, problem.getCause());
        } catch (ReflectiveOperationException | LinkageError problem) {
            Log.fatal(ExitCode.ENTRY_POINT, problem);
        }
    }
}
