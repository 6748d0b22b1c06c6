package ibcalpha.ibc;

import java.awt.Component;
import java.awt.Window;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JTextArea;

/** The windows that are recognised, in order of precedence, and what is done with each. */
final class WindowHandlers {
    record Handler(Predicate<Window> recognises, BiConsumer<Window, String> handle) {}

    private static final Pattern MINUTES = Pattern.compile("(\\d+)\\s+minutes?");
    private static final Pattern SECONDS = Pattern.compile("(\\d+)\\s+seconds?");
    private final Ibc ibc;
    private final List<Handler> handlers;

    WindowHandlers(Ibc ibc) {
        this.ibc = ibc;
        handlers = List.of(
                onOpened(dialogWithLabel("Accept incoming connection"), this::incomingConnection),
                new Handler(window -> window instanceof JFrame frame && LoginForm.isLoginForm(frame), this::loginForm),
                new Handler(WindowHandlers::isMainWindow, this::mainWindow),
                onOpened(dialogTitled("not currently available").or(dialogWithLabel("not currently available")), this::notAvailable),
                onOpened(dialogTitled("Configuration"), ibc.configDialog::opened),
                onOpened(dialogTitled("Existing session detected"), ibc.login::otherSession),
                new Handler(window -> window instanceof JFrame && Swing.titleContains(window, "Starting application..."), this::splash),
                new Handler(WindowHandlers::isSecondFactor, this::secondFactor),
                onOpened(dialogTitled("Re-login is required"), this::relogin),
                onOpened(dialogWithLabel("This is not a brokerage account"), this::paperWarning),
                onOpened(dialogWithLabel("Are you sure you want to exit?").and(window -> ibc.stop.isRunning()), this::confirmExit),
                onOpened(dialogTitled("Trading Login Handoff"), this::handoff),
                onOpened(dialogTitled("Login failed"), this::loginFailed),
                onOpened(dialogWithText("Too many failed login attempts"), this::lockedOut),
                onOpened(dialogTitled("Shutdown progress"), dialog -> ibc.commandServer.shutdown()),
                onOpened(dialogTitled("Login Error"), this::loginError),
                onOpened(dialogWithLabel("simulate"), this::confirmReconnect),
                onOpened(dialogTitled("Gateway"), this::gatewayDialog));
    }

    Handler forWindow(Window window) {
        for (Handler handler : handlers) {
            if (handler.recognises().test(window)) {
                return handler;
            }
        }
        return null;
    }

    private static Handler onOpened(Predicate<Window> recognises, Consumer<JDialog> handle) {
        return new Handler(recognises, (window, event) -> {
            if (event.equals("Opened")) {
                handle.accept((JDialog) window);
            }
        });
    }

    private static Predicate<Window> dialogTitled(String part) {
        return window -> window instanceof JDialog && Swing.titleContains(window, part);
    }

    private static Predicate<Window> dialogWithLabel(String part) {
        return window -> window instanceof JDialog && Swing.label(window, part) != null;
    }

    private static Predicate<Window> dialogWithText(String part) {
        return window -> window instanceof JDialog dialog && text(dialog, part) != null;
    }

    private static JTextArea text(Window window, String part) {
        for (JTextArea area : Swing.all(window, JTextArea.class)) {
            if (Swing.contains(area.getText(), part)) {
                return area;
            }
        }
        return null;
    }

    private static boolean isMainWindow(Window window) {
        return window instanceof JFrame frame
                && (Swing.menuItem(frame, "Help", "About IB Gateway") != null || Swing.menuItem(frame, "Help", "About Gateway") != null);
    }

    private static boolean isSecondFactor(Window window) {
        return (window instanceof JDialog || window instanceof JFrame)
                && (Swing.titleContains(window, "Second Factor Authentication") || Swing.titleContains(window, "Security Code Card Authentication"));
    }

    private void loginForm(Window window, String event) {
        if (event.equals("Opened")) {
            ibc.login.formOpened((JFrame) window);
        }
    }

    private void mainWindow(Window window, String event) {
        if (event.equals("Opened")) {
            ibc.mainWindow.found((JFrame) window);
        }
    }

    /** The splash frame's end is the only sign of a complete login. */
    private void splash(Window window, String event) {
        if (event.equals("Closed")) {
            ibc.login.completed();
        }
    }

    private void secondFactor(Window window, String event) {
        if (event.equals("Closed")) {
            ibc.login.secondFactorClosed();
        } else if (event.equals("Opened")) {
            if (text(window, "Select second factor device") == null) {
                ibc.login.secondFactorOpened();
            } else {
                chooseDevice(window);
            }
        }
    }

    private void chooseDevice(Window window) {
        Optional<JList<?>> found = Swing.all(window, Component.class).stream()
                .filter(JList.class::isInstance).<JList<?>>map(component -> (JList<?>) component).findFirst();
        if (found.isEmpty()) {
            Log.fatal(ExitCode.CONTROL_MISSING, "could not find second factor device list.");
            return;
        }
        JList<?> list = found.get();
        String device = ibc.settings.text("SecondFactorDevice");
        if (device.isEmpty()) {
            Log.error("You should specify the required second factor device using the SecondFactorDevice setting in config.ini");
            return;
        }
        for (int i = 0; i < list.getModel().getSize(); i++) {
            if (String.valueOf(list.getModel().getElementAt(i)).trim().equals(device)) {
                list.setSelectedIndex(i);
                if (!Swing.click(window, "OK")) {
                    Log.error("could not select second factor device: OK button not found");
                }
                return;
            }
        }
        Log.error("could not find second factor device '" + device + "' in the list");
    }

    private void incomingConnection(JDialog dialog) {
        String action = ibc.settings.text("AcceptIncomingConnectionAction", "manual");
        boolean done = switch (action.toLowerCase()) {
            case "accept" -> Swing.click(dialog, "OK", "Yes");
            case "reject" -> Swing.click(dialog, "No");
            case "manual" -> true;
            default -> {
                Log.error("could not accept incoming connection because the AcceptIncomingConnectionAction setting is invalid.");
                yield true;
            }
        };
        if (!done) {
            Log.error("could not accept incoming connection because we could not find one of the controls.");
        }
    }

    private void notAvailable(JDialog dialog) {
        Log.error("The system is not currently available.");
        Swing.click(dialog, "OK");
    }

    private void relogin(JDialog dialog) {
        ibc.login.kickedOff();
        if (!Swing.click(dialog, "Re-login")) {
            Log.error("could not handle 'Re-login is required' dialog because the 'Re-login' button wasn't found.");
        }
    }

    private void paperWarning(JDialog dialog) {
        if (ibc.settings.flag("AcceptNonBrokerageAccountWarning", true) && !Swing.click(dialog, "I understand and accept")) {
            Log.error("could not dismiss non-brokerage account warning dialog.");
        }
    }

    private void confirmExit(JDialog dialog) {
        if (!Swing.click(dialog, "Yes")) {
            Log.error("could not ignore shutdown confirmation dialog because we could not find one of the controls.");
        }
    }

    /** The braces are really printed: the text meant for them is lost. */
    private void handoff(JDialog dialog) {
        String start = "Trading Login Handoff dialog; ";
        switch (ibc.settings.text("ExistingSessionDetectedAction", "manual").toLowerCase()) {
            case "primary" -> {
                Log.line(start + "{}");
                if (!Swing.click(dialog, "Disconnect Other Session")) {
                    Log.error(start + "could not handle because {}");
                }
            }
            case "primaryoverride", "secondary" -> Log.fatal(ExitCode.STATE, start + "error: {}");
            case "manual" -> Log.line(start + "{}");
            default -> Log.error(start + "could not handle because {}");
        }
    }

    private void loginFailed(JDialog dialog) {
        Log.line("Login failed");
        coldRestart(dialog, "could not dismiss Login Failed dialog because we could not find the OK button");
    }

    private void loginError(JDialog dialog) {
        Log.line("Login error message:\n" + Swing.all(dialog, JTextArea.class).stream().map(JTextArea::getText).collect(Collectors.joining("\n")));
        coldRestart(dialog, "could not dismiss Login Error dialog because we could not find the OK button");
    }

    private void coldRestart(JDialog dialog, String complaint) {
        Log.line("Cold restart in progress");
        ibc.coldRestart();
        if (!Swing.click(dialog, "OK")) {
            Log.error(complaint);
        }
    }

    private void lockedOut(JDialog dialog) {
        String message = text(dialog, "Too many failed login attempts").getText();
        Log.line(message);
        ibc.login.lockedOut(dialog, 60 * amount(MINUTES, message) + amount(SECONDS, message));
    }

    private static int amount(Pattern unit, String message) {
        Matcher matcher = unit.matcher(message);
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
    }

    private void confirmReconnect(JDialog dialog) {
        if (!Swing.click(dialog, "OK")) {
            Log.error("could not dismiss " + dialog.getTitle() + " because we could not find the OK button");
        }
    }

    private void gatewayDialog(JDialog dialog) {
        String message = Swing.all(dialog, JLabel.class).stream()
                .map(JLabel::getText)
                .filter(text -> text != null && !text.isBlank())
                .map(text -> text.replaceAll("<[^>]*>", ""))
                .collect(Collectors.joining("\n"));
        Log.line(message);
        if (message.startsWith("Connection to server failed")) {
            coldRestart(dialog, "could not dismiss Login Error dialog because we could not find the OK button");
        }
    }
}
