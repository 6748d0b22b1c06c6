package ibcalpha.ibc;

import java.util.concurrent.CompletableFuture;
import javax.swing.JFrame;

/** Knows Gateway's main window, or waits for it. */
final class MainWindow {
    private final Ibc ibc;
    private JFrame frame;
    private CompletableFuture<JFrame> awaited;

    MainWindow(Ibc ibc) {
        this.ibc = ibc;
    }

    void found(JFrame opened) {
        Log.line("Found Gateway main window");
        CompletableFuture<JFrame> waiting;
        synchronized (this) {
            frame = opened;
            waiting = awaited;
            awaited = null;
        }
        if (waiting != null) {
            waiting.complete(opened);
        }
        if (ibc.settings.flag("MinimizeMainWindow", false)) {
            Log.line("Minimizing main window");
            opened.setExtendedState(JFrame.ICONIFIED);
        }
    }

    JFrame await() {
        CompletableFuture<JFrame> waiting = ask();
        if (waiting == null) {
            return frame;
        }
        JFrame got = waiting.join();
        Log.line("Got main window from future");
        return got;
    }

    /** The main window, or null when it is not there yet. */
    JFrame poll() {
        return ask() == null ? frame : null;
    }

    private synchronized CompletableFuture<JFrame> ask() {
        Log.line("Getting main window");
        if (frame != null) {
            Log.line("Main window already found");
            return null;
        }
        if (awaited == null) {
            Log.line("Creating main window future");
            awaited = new CompletableFuture<>();
        } else {
            Log.line("Waiting for main window future to complete");
        }
        return awaited;
    }
}
