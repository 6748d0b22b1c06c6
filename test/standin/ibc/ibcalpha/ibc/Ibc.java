package ibcalpha.ibc;

import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** One run: the parts that know each other, and the clock they share. */
final class Ibc {
    final Arguments arguments;
    final Settings settings;
    final MainWindow mainWindow;
    final ConfigDialog configDialog;
    final LoginSession login;
    final StopTask stop;
    final RestartTask restart;
    final CommandServer commandServer;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "clock"));

    Ibc(Arguments arguments, Settings settings) {
        this.arguments = arguments;
        this.settings = settings;
        mainWindow = new MainWindow(this);
        configDialog = new ConfigDialog(this);
        login = new LoginSession(this);
        stop = new StopTask(this);
        restart = new RestartTask(this);
        commandServer = new CommandServer(this);
    }

    /** Runs a task later on a thread of its own, so that a failing one ends the JVM like any other. */
    ScheduledFuture<?> later(long milliseconds, String name, Runnable task) {
        return clock.schedule(() -> start(name, task), milliseconds, TimeUnit.MILLISECONDS);
    }

    static Thread start(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.start();
        return thread;
    }

    /** Live or paper; asking tells in the log when the ini had to answer. */
    String tradingMode() {
        if (arguments.modeGiven()) {
            return arguments.mode().toLowerCase(java.util.Locale.ROOT);
        }
        String mode = Arguments.checkMode(settings.text("TradingMode", "live"));
        Log.line("trading mode from settings: tradingMode=" + mode);
        return mode;
    }

    String user() {
        return arguments.credentialsGiven() ? arguments.user() : settings.text("IbLoginId");
    }

    String password() {
        return arguments.credentialsGiven() ? arguments.password() : settings.text("IbPassword");
    }

    /** A restart is announced by a property that is not empty; its value is Gateway's business. */
    static boolean restarting() {
        return !System.getProperty("restart", "").isEmpty();
    }

    /** Leaves the flag that asks for a new full login, then stops. */
    void coldRestart() {
        FlagFile.create("COLDRESTART");
        start("cold restart", () -> stop.run(null, "cold restart"));
    }
}
