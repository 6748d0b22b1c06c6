package ibcalpha.ibc;

import java.util.List;
import javax.swing.JButton;
import javax.swing.JFrame;
import javax.swing.JTextField;
import javax.swing.JToggleButton;
import javax.swing.SwingUtilities;

/** Gateway's login frame: what is on it and how it is filled in. */
final class LoginForm {
    private static final String[] TITLES = {"IBKR Gateway", "IB Gateway", "Interactive Brokers Gateway"};
    private static final String[] BUTTONS = {"Log In", "Login", "Paper Log In"};
    private final Ibc ibc;
    private final JFrame frame;

    LoginForm(Ibc ibc, JFrame frame) {
        this.ibc = ibc;
        this.frame = frame;
    }

    static boolean isLoginForm(JFrame frame) {
        for (String title : TITLES) {
            if (Swing.titleContains(frame, title)) {
                return Swing.firstButton(frame, BUTTONS) != null;
            }
        }
        return false;
    }

    boolean isUsable() {
        return frame.isDisplayable();
    }

    void selectApi() {
        boolean fix = ibc.settings.fix();
        JToggleButton toggle = fix ? toggle("FIX CTCI") : toggle("IB API");
        if (toggle == null && !fix) {
            toggle = toggle("TWS/API");
        }
        if (toggle == null) {
            Log.fatal(ExitCode.CONTROL_MISSING, "could not login: could not find control: " + (fix ? "FIX CTCI" : "IB API"));
            return;
        }
        if (!toggle.isSelected()) {
            Log.line("Clicking " + (fix ? "FIX CTCI" : "IB API") + " selector");
            toggle.doClick();
        }
    }

    /** Fills what there is; false when a credential is missing, and then a person has to type it. */
    boolean fill() {
        if (Swing.label(frame, "Trading Mode") != null) {
            String mode = ibc.tradingMode();
            Log.line("Setting Trading mode = " + mode);
            String text = mode.equals("live") ? "Live Trading" : "Paper Trading";
            JToggleButton toggle = toggle(text);
            if (toggle == null) {
                Log.fatal(ExitCode.CONTROL_MISSING, "could not login: could not find control: " + text);
                return false;
            }
            toggle.doClick();
        }
        List<JTextField> fields = Swing.all(frame, JTextField.class);
        if (fields.size() < 2) {
            Log.fatal(ExitCode.CONTROL_MISSING, "could not login: could not find control: " + (fields.isEmpty() ? "user name" : "password"));
        }
        Log.line("Setting user name");
        fields.get(0).setText(ibc.user());
        Log.line("Setting password");
        fields.get(1).setText(ibc.password());
        for (JTextField field : fields.subList(0, 2)) {
            if (field.getText().isEmpty()) {
                field.requestFocusInWindow();
                return false;
            }
        }
        return true;
    }

    void submit(Runnable clicked) {
        JButton button = Swing.firstButton(frame, BUTTONS);
        if (button == null) {
            Log.fatal(ExitCode.CONTROL_MISSING, "could not login: could not find control: Log In");
            return;
        }
        SwingUtilities.invokeLater(() -> {
            clicked.run();
            Swing.clickNow(button);
        });
    }

    private JToggleButton toggle(String text) {
        return Swing.button(frame, JToggleButton.class, text);
    }
}
