package ibcalpha.ibc;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.util.concurrent.ScheduledFuture;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.SwingUtilities;

/** Owns how far the login is: attempts, the second factor's clock, and the timers that end a hanging session. */
final class LoginSession {
    enum State { LOGGED_OUT, LOGGED_IN, LOGGING_IN, TWO_FA_IN_PROGRESS, LOGIN_FAILED, AWAITING_CREDENTIALS }

    private static final int RELOGIN_DELAY_SECONDS = 5;
    private static final int LOCKOUT_MARGIN_SECONDS = 3;
    private final Ibc ibc;
    private volatile State state = State.LOGGED_OUT;
    private LoginForm form;
    private int attempts = 0;
    /** From the click (or a code dialog that follows a device list) until the second factor closes; null in between. */
    private Instant waitingSince;
    private ScheduledFuture<?> dialogTimer;
    private ScheduledFuture<?> exitTimer;
    private boolean otherSessionSeen = false;

    LoginSession(Ibc ibc) {
        this.ibc = ibc;
    }

    boolean isLoggedIn() {
        return state == State.LOGGED_IN;
    }

    synchronized void startSession() {
        if (Ibc.restarting()) {
            Log.line("Re-starting session");
            return;
        }
        int seconds = ibc.settings.number("LoginDialogDisplayTimeout", 60);
        Log.line("Starting session: will exit if login dialog is not displayed within " + seconds + " seconds");
        dialogTimer = ibc.later(seconds * 1000L, "login dialog timer",
                () -> Log.fatal(ExitCode.LOGIN_DIALOG, "IBC closing after TWS/Gateway failed to display login dialog"));
    }

    /** In a restarted session a login dialog means the token was of no use; nobody fills it in then. */
    synchronized void formOpened(JFrame frame) {
        Log.line("Login dialog WINDOW_OPENED: LoginState is " + state);
        if (dialogTimer != null) {
            dialogTimer.cancel(false);
        }
        if (Ibc.restarting() || state != State.LOGGED_OUT) {
            return;
        }
        form = new LoginForm(ibc, frame);
        form.selectApi();
        attempt();
    }

    private synchronized void attempt() {
        if (!form.isUsable()) {
            Log.line("Login dialog has been invalidated - initiate cold restart");
            ibc.coldRestart();
            return;
        }
        if (!form.fill()) {
            state = State.AWAITING_CREDENTIALS;
            return;
        }
        attempts++;
        Log.line("Login attempt: " + attempts);
        state = State.LOGGING_IN;
        ibc.tradingMode();
        form.submit(() -> {
            synchronized (this) {
                waitingSince = Instant.now();
            }
        });
    }

    private void attemptLater(long seconds, String name) {
        ibc.later(seconds * 1000, name, () -> SwingUtilities.invokeLater(this::attempt));
    }

    synchronized void secondFactorOpened() {
        if (state == State.TWO_FA_IN_PROGRESS) {
            return;
        }
        state = State.TWO_FA_IN_PROGRESS;
        if (waitingSince == null) {
            waitingSince = Instant.now();
        }
        Log.line("Second Factor Authentication initiated");
    }

    /** Only the time tells an answer from a timeout. A dialog that merely re-opened is not timed again. */
    synchronized void secondFactorClosed() {
        if (waitingSince == null) {
            return;
        }
        long seconds = Duration.between(waitingSince, Instant.now()).toSeconds();
        waitingSince = null;
        Log.line("Duration since login: " + seconds + " seconds");
        boolean relogin = ibc.settings.reloginAfterSecondFactorTimeout();
        if (seconds < ibc.settings.number("SecondFactorAuthenticationTimeout", 180)) {
            if (relogin) {
                armExitTimer();
            }
        } else if (relogin) {
            Log.line("Re-login after second factor authentication timeout in 5 second");
            attemptLater(RELOGIN_DELAY_SECONDS, "re-login");
        } else {
            Log.line("Re-login after second factor authentication timeout not required");
        }
    }

    private void armExitTimer() {
        if (state == State.LOGGED_IN) {
            Log.line("Login has already completed - no need for IBC to exit");
            return;
        }
        if (exitTimer != null) {
            return;
        }
        int seconds = ibc.settings.number("SecondFactorAuthenticationExitInterval", 60);
        Log.line("If login has not completed, IBC will exit in " + seconds + " seconds");
        exitTimer = ibc.later(seconds * 1000L, "exit timer", () -> {
            if (!isLoggedIn()) {
                Log.fatal(ExitCode.SECOND_FACTOR, "IBC closing because login has not completed after Second Factor Authentication");
            }
        });
    }

    synchronized void completed() {
        if (state == State.LOGGED_IN) {
            return;
        }
        state = State.LOGGED_IN;
        if (exitTimer != null) {
            exitTimer.cancel(false);
            exitTimer = null;
        }
        Log.line("Login has completed");
    }

    /** Gateway was thrown out and logs in again by itself. */
    synchronized void kickedOff() {
        Log.line("Re-login to session");
        state = State.LOGGING_IN;
    }

    synchronized void lockedOut(JDialog dialog, int waitSeconds) {
        if (!ibc.settings.reloginAfterSecondFactorTimeout()) {
            return;
        }
        int seconds = waitSeconds + LOCKOUT_MARGIN_SECONDS;
        Log.line("Will re-login at " + Log.STAMP.format(LocalDateTime.now().plusSeconds(seconds)) + "; login number: " + (attempts + 1));
        if (!Swing.click(dialog, "OK")) {
            Log.error("could not dismiss \"Too many failed login attempts\" dialog because we could not find one of the controls.");
        }
        attemptLater(seconds, "re-login");
    }

    /** Keeps or gives up this session; the first conflict before login is always decided for it. */
    synchronized void otherSession(JDialog dialog) {
        String action = ibc.settings.text("ExistingSessionDetectedAction", "manual");
        boolean before = state != State.LOGGED_IN;
        switch (action.toLowerCase(java.util.Locale.ROOT)) {
            case "manual" -> Log.line("User must choose whether to continue with this session (scenario 1)");
            case "primary", "primaryoverride" -> {
                if (before && !otherSessionSeen) {
                    otherSessionSeen = true;
                    keep(dialog, "Don't know the type of the other session, so continue this one (scenario 3)");
                } else if (before) {
                    giveWay(dialog, "Other session must be primary or primary override, so end this session and let the other one proceed (scenario 4)");
                } else if (action.equalsIgnoreCase("primary")) {
                    keep(dialog, "Continue this session and let the other session exit (scenario 5)");
                } else {
                    giveWay(dialog, "Other session may be primary, so end this session and let the other one proceed (scenario 6)");
                }
            }
            default -> {
                if (!action.equalsIgnoreCase("secondary")) {
                    Log.line("ExistingSessionDetectedAction has an invalid value: " + action + ": assuming 'secondary'");
                }
                giveWay(dialog, "End this session and let the other session proceed (scenario 2)");
            }
        }
    }

    private static void keep(JDialog dialog, String why) {
        Log.line(why);
        if (!Swing.click(dialog, "OK", "Continue Login", "Reconnect This Session")) {
            Log.error("could not handle 'Existing session detected' dialog because the 'OK' or 'Continue Login' or 'Reconnect This Session' button wasn't found.");
        }
    }

    private static void giveWay(JDialog dialog, String why) {
        Log.line(why);
        if (!Swing.click(dialog, "Cancel", "Exit Application")) {
            Log.error("could not handle 'Existing session detected' dialog because the 'Cancel' or 'Exit Application' button wasn't found.");
        }
    }
}
