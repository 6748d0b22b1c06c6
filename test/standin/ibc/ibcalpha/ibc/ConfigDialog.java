package ibcalpha.ibc;

import java.util.concurrent.CompletableFuture;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JMenuItem;
import javax.swing.SwingUtilities;

/** Opens Gateway's configuration dialog once for all the tasks that need it, and confirms it after the last. */
final class ConfigDialog {
    private final Ibc ibc;
    private JDialog dialog;
    private CompletableFuture<JDialog> awaited;
    private int users = 0;

    ConfigDialog(Ibc ibc) {
        this.ibc = ibc;
    }

    /** Counts tasks before they start, so that the first to finish does not close the dialog on the others. */
    synchronized void reserve(int tasks) {
        users += tasks;
    }

    /** The open dialog, or null when Gateway has no menu entry for it. */
    JDialog get() {
        Log.line("Getting config dialog");
        CompletableFuture<JDialog> waiting;
        boolean first = false;
        synchronized (this) {
            if (dialog != null) {
                Log.line("Config dialog already found");
                return dialog;
            }
            first = awaited == null;
            if (first) {
                awaited = new CompletableFuture<>();
            }
            waiting = awaited;
        }
        Log.line(first ? "Creating config dialog future" : "Waiting for config dialog future to complete");
        if (first) {
            Ibc.start("open configuration", () -> open(waiting));
        }
        JDialog got = waiting.join();
        if (got != null) {
            Log.line("Got config dialog from future");
        }
        return got;
    }

    void opened(JDialog window) {
        CompletableFuture<JDialog> waiting;
        synchronized (this) {
            waiting = awaited;
            if (waiting != null) {
                dialog = window;
            }
        }
        if (waiting != null) {
            waiting.complete(window);
        }
    }

    /** Called when a task is done; the last one confirms the dialog. */
    void release() {
        JDialog done;
        synchronized (this) {
            users--;
            if (users > 0) {
                return;
            }
            done = dialog;
            dialog = null;
            awaited = null;
        }
        SwingUtilities.invokeLater(() -> {
            Log.line("Configuration tasks completed");
            Swing.click(done, "OK");
        });
    }

    private void open(CompletableFuture<JDialog> waiting) {
        JFrame main = ibc.mainWindow.await();
        Log.line("Invoking config dialog menu");
        JMenuItem item = Swing.menuItem(main, "Configure", "Settings");
        if (item == null) {
            Log.error("getConfigDialog could not find 'Configure > Settings' menu item");
            waiting.complete(null);
            return;
        }
        try {
            while (!item.isEnabled()) {
                Thread.sleep(250);
            }
        } catch (InterruptedException problem) {
            Thread.currentThread().interrupt();
        }
        SwingUtilities.invokeLater(item::doClick);
    }
}
