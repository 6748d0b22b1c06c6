package ibcalpha.ibc;

import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Carries out RESTART and PAUSE by moving Gateway's own restart time to the next minute. */
final class RestartTask {
    private final Ibc ibc;
    /** Taken once, never given back: a second attempt is refused for the life of the JVM. */
    private final AtomicBoolean taken = new AtomicBoolean();

    RestartTask(Ibc ibc) {
        this.ibc = ibc;
    }

    void run(CommandChannel channel, boolean pauseOnly) {
        String verb = pauseOnly ? "PAUSE" : "RESTART";
        Log.line("RestartTask: pauseOnly = " + pauseOnly);
        Log.line("RestartTask: verb = " + verb);
        if (!taken.compareAndSet(false, true)) {
            Log.line(verb + " already in progress");
            channel.error(verb + " already in progress");
            channel.close();
            return;
        }
        channel.info(pauseOnly ? "Pausing TWS" : "Restarting TWS");
        if (pauseOnly) {
            FlagFile.create("PAUSE");
        }
        channel.ok(verb + " in progress");
        ibc.mainWindow.await();
        String time = AutoTime.FORMAT.format(nextMinute());
        Log.line("Setting auto-restart time to " + time);
        new ConfigTasks(ibc).startRestart(time);
        channel.ok(verb + " at " + time);
        channel.close();
    }

    /** So late in a minute that the dialog might miss it, the next minute is awaited first. */
    private static LocalTime nextMinute() {
        LocalTime now = LocalTime.now();
        while (now.getSecond() >= 58) {
            try {
                Thread.sleep(100);
            } catch (InterruptedException problem) {
                Thread.currentThread().interrupt();
                break;
            }
            now = LocalTime.now();
        }
        return now.truncatedTo(ChronoUnit.MINUTES).plusMinutes(1);
    }
}
