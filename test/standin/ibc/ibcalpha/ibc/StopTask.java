package ibcalpha.ibc;

import java.util.concurrent.atomic.AtomicBoolean;

/** Ends the session: through Gateway's menu when logged in, at once when not. */
final class StopTask {
    private final Ibc ibc;
    private final AtomicBoolean running = new AtomicBoolean();

    StopTask(Ibc ibc) {
        this.ibc = ibc;
    }

    boolean isRunning() {
        return running.get();
    }

    /** The channel is null for a stop nobody asked for over the port; a second such stop has nobody to tell and dies of it. */
    void run(CommandChannel channel, String reason) {
        if (!running.compareAndSet(false, true)) {
            Log.line("STOP already in progress");
            channel.error("STOP already in progress");
            channel.close();
            return;
        }
        if (channel != null) {
            channel.info("Closing IBC");
            channel.ok("Shutting down: " + reason);
            channel.close();
        }
        if (ibc.login.isLoggedIn()) {
            Log.line("Login has completed: exiting via [File, Close] menu");
            Swing.clickMenu(ibc.mainWindow.await(), "File", "Close");
            return;
        }
        ibc.commandServer.shutdown();
        Log.line("Login has not completed: exiting immediately");
        ibc.commandServer.awaitEnd();
        Log.halt();
    }
}
