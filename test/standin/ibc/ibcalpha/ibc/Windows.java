package ibcalpha.ibc;

import java.awt.AWTEvent;
import java.awt.Toolkit;
import java.awt.Window;
import java.awt.event.WindowEvent;
import java.util.Map;
import java.util.Set;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.SwingUtilities;

/** Watches every window of the JVM: logs each event, dumps structures on demand, and passes the event on to its handler. */
final class Windows {
    private static final Map<Integer, String> NAMES = Map.of(
            WindowEvent.WINDOW_OPENED, "Opened",
            WindowEvent.WINDOW_ACTIVATED, "Activated",
            WindowEvent.WINDOW_GAINED_FOCUS, "Focused",
            WindowEvent.WINDOW_LOST_FOCUS, "Lost focus",
            WindowEvent.WINDOW_DEACTIVATED, "Deactivated",
            WindowEvent.WINDOW_CLOSED, "Closed",
            WindowEvent.WINDOW_CLOSING, "Closing",
            WindowEvent.WINDOW_ICONIFIED, "Iconified",
            WindowEvent.WINDOW_DEICONIFIED, "Deiconified",
            WindowEvent.WINDOW_STATE_CHANGED, "State changed");
    private final WindowHandlers handlers;
    private final String scope;
    private final Set<String> dumped;
    /** Some Gateways never report the opening of some windows; the scenario names one by a part of its title. */
    private final String neverOpened = Scenario.text("ibc.never.opened");

    Windows(Ibc ibc) {
        handlers = new WindowHandlers(ibc);
        Settings settings = ibc.settings;
        boolean old = !settings.text("LogComponents").isEmpty();
        scope = old ? "all" : checkScope(settings.text("LogStructureScope", "known").toLowerCase());
        dumped = eventsToDump(settings.text(old ? "LogComponents" : "LogStructureWhen", "never"));
    }

    /** Dies here when there is no X server. */
    void watch() {
        Toolkit.getDefaultToolkit().addAWTEventListener(this::queue,
                AWTEvent.WINDOW_EVENT_MASK | AWTEvent.WINDOW_FOCUS_EVENT_MASK | AWTEvent.WINDOW_STATE_EVENT_MASK);
    }

    /** Handled as a later task, so that the title logged is the one the window has by then. */
    private void queue(AWTEvent event) {
        if (event instanceof WindowEvent windowEvent) {
            Window window = windowEvent.getWindow();
            String name = NAMES.getOrDefault(event.getID(), "???");
            SwingUtilities.invokeLater(() -> handle(window, name));
        }
    }

    private void handle(Window window, String event) {
        if (event.equals("Opened") && !neverOpened.isEmpty() && Swing.titleContains(window, neverOpened)) {
            return;
        }
        String description = describe(window) + "; event=" + event;
        Log.line("detected " + description);
        WindowHandlers.Handler handler = handlers.forWindow(window);
        if (dumped.contains(event) && inScope(window, handler != null)) {
            Log.line("Window structure for " + description);
            Log.raw("\n" + WindowDump.of(window) + "\n");
        }
        if (handler != null) {
            handler.handle().accept(window, event);
        }
    }

    private static String describe(Window window) {
        if (window instanceof JFrame || window instanceof JDialog) {
            String title = Swing.title(window);
            return (window instanceof JFrame ? "frame" : "dialog") + " entitled: " + (title == null ? "** no title **" : title);
        }
        return "window: type=" + window.getClass().getName();
    }

    private boolean inScope(Window window, boolean known) {
        String title = Swing.title(window);
        return switch (scope) {
            case "known" -> known;
            case "unknown" -> !known;
            case "untitled" -> title == null || title.isEmpty();
            default -> true;
        };
    }

    private static String checkScope(String scope) {
        if (Set.of("known", "unknown", "untitled", "all").contains(scope)) {
            return scope;
        }
        Log.error("the LogStructureScope setting '" + scope + "' is invalid.");
        return "known";
    }

    private static Set<String> eventsToDump(String when) {
        switch (when.toLowerCase()) {
            case "never", "no", "false" -> {
                return Set.of();
            }
            case "open", "yes", "true" -> {
                return Set.of("Opened");
            }
            case "openclose" -> {
                return Set.of("Opened", "Closed");
            }
            case "activate" -> {
                return Set.of("Activated");
            }
            default -> {
                for (String name : NAMES.values()) {
                    if (name.equalsIgnoreCase(when)) {
                        return Set.of(name);
                    }
                }
                Log.error("the LogStructureWhen setting is invalid: " + when);
                return Set.of();
            }
        }
    }
}
