package ibcalpha.ibc;

import java.awt.Component;
import java.awt.Container;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import javax.swing.JButton;
import javax.swing.JCheckBox;
import javax.swing.JDialog;
import javax.swing.JTextField;
import javax.swing.JTree;
import javax.swing.SwingUtilities;
import javax.swing.tree.TreePath;

/** The settings that have to be typed into Gateway's configuration dialog. */
final class ConfigTasks {
    private static final String LOTS = "Send market data in lots for US stocks for dual-mode API clients";
    private static final Map<String, String> PRECAUTIONS = new LinkedHashMap<>();

    static {
        PRECAUTIONS.put("BypassOrderPrecautions", "Bypass Order Precautions for API Orders");
        PRECAUTIONS.put("BypassBondWarning", "Bypass Bond warning for API Orders.");
        PRECAUTIONS.put("BypassNegativeYieldToWorstConfirmation", "Bypass negative yield to worst confirmation for API Orders.");
        PRECAUTIONS.put("BypassCalledBondWarning", "Bypass Called Bond warning for API Orders");
        PRECAUTIONS.put("BypassSameActionPairTradeWarning", "Bypass \"same action pair trade\" warning for API orders.");
        PRECAUTIONS.put("BypassPriceBasedVolatilityRiskWarning", "Bypass price-based volatility risk warning for API Orders.");
        PRECAUTIONS.put("BypassUSStocksMarketDataInSharesWarning", "Bypass US Stocks market data in shares warning for API Orders");
        PRECAUTIONS.put("BypassRedirectOrderWarning", "Bypass Redirect Order warning for Stock API Orders");
        PRECAUTIONS.put("BypassNoOverfillProtectionPrecaution",
                "Bypass No Overfill Protection precaution for destinations where implied natively.");
    }

    private final Ibc ibc;

    ConfigTasks(Ibc ibc) {
        this.ibc = ibc;
    }

    /** Starts one task per setting of the ini that is not empty, each on its own thread. */
    void startAll() {
        Settings settings = ibc.settings;
        List<Consumer<JDialog>> tasks = new ArrayList<>();
        String restartTime = settings.text("AutoRestartTime");
        String logoffTime = settings.text("AutoLogoffTime");
        if (settings.fix()) {
            for (String name : List.of("AutoRestartTime", "AutoLogoffTime", "OverrideTwsMasterClientID", "ReadOnlyApi")) {
                if (!settings.text(name).isEmpty()) {
                    Log.line(name + " - ignored for FIX");
                }
            }
            return;
        }
        if (!restartTime.isEmpty()) {
            if (!logoffTime.isEmpty()) {
                Log.line("AutoLogoffTime is ignored because AutoRestartTime is also set");
            }
            tasks.add(dialog -> AutoTime.set(dialog, "Auto restart", restartTime));
        } else if (!logoffTime.isEmpty()) {
            tasks.add(dialog -> AutoTime.set(dialog, "Auto logoff", logoffTime));
        }
        if (settings.flag("ResetOrderIdsAtStart", false)) {
            tasks.add(ConfigTasks::resetOrderIds);
        }
        int port = settings.number("OverrideTwsApiPort", 0);
        if (port != 0) {
            tasks.add(dialog -> typeInto(dialog, "Performing port configuration", "TWS API socket port", "Socket port", String.valueOf(port)));
        }
        String masterId = settings.text("OverrideTwsMasterClientID");
        if (!masterId.isEmpty()) {
            tasks.add(dialog -> typeInto(dialog, "Performing master client ID configuration", "TWS Master Client ID", "Master API client ID", masterId));
        }
        if (!settings.text("ReadOnlyApi").isEmpty()) {
            boolean wanted = settings.flag("ReadOnlyApi", true);
            tasks.add(dialog -> tick(dialog, "Setting ReadOnlyApi", "Read-Only API", "Read-Only API", wanted));
        }
        if (!settings.text("SendMarketDataInLotsForUSstocks").isEmpty()) {
            boolean wanted = settings.flag("SendMarketDataInLotsForUSstocks", true);
            tasks.add(dialog -> tick(dialog, "Setting Send Market Data In Lots", "Send Market Data In Lots", LOTS, wanted));
        }
        if (PRECAUTIONS.keySet().stream().anyMatch(name -> !settings.text(name).isEmpty())) {
            tasks.add(this::setPrecautions);
        }
        start(tasks);
    }

    void startRestart(String time) {
        start(List.of(dialog -> AutoTime.set(dialog, "Auto restart", time)));
    }

    private void start(List<Consumer<JDialog>> tasks) {
        ibc.configDialog.reserve(tasks.size());
        for (Consumer<JDialog> task : tasks) {
            Ibc.start("configuration task", () -> run(task));
        }
    }

    /** A task that throws with the dialog open is only logged, and leaves the dialog open; without a dialog the JVM ends. */
    private void run(Consumer<JDialog> task) {
        JDialog dialog = ibc.configDialog.get();
        if (dialog == null) {
            task.accept(null);
            return;
        }
        try {
            SwingUtilities.invokeAndWait(() -> task.accept(dialog));
        } catch (InvocationTargetException problem) {
            Log.exception(problem);
            return;
        } catch (InterruptedException problem) {
            Thread.currentThread().interrupt();
            return;
        }
        ibc.configDialog.release();
    }

    static boolean selectPage(JDialog dialog, String... names) {
        for (JTree tree : Swing.all(dialog, JTree.class)) {
            Object node = tree.getModel().getRoot();
            TreePath path = new TreePath(node);
            for (String name : names) {
                node = child(tree, node, name);
                if (node == null) {
                    break;
                }
                path = path.pathByAddingChild(node);
            }
            if (node != null) {
                tree.setSelectionPath(path);
                return true;
            }
        }
        return false;
    }

    private static Object child(JTree tree, Object parent, String name) {
        for (int i = 0; i < tree.getModel().getChildCount(parent); i++) {
            Object node = tree.getModel().getChild(parent, i);
            if (String.valueOf(node).equalsIgnoreCase(name)) {
                return node;
            }
        }
        return null;
    }

    private static void apiSettings(JDialog dialog) {
        if (dialog == null) {
            throw new NullPointerException();
        }
        if (!selectPage(dialog, "API", "Settings")) {
            throw new IllegalStateException("could not find API - Settings");
        }
    }

    private static void typeInto(JDialog dialog, String opening, String title, String groupName, String wanted) {
        Log.line(opening);
        apiSettings(dialog);
        JTextField field = null;
        for (Component component : Swing.all(dialog, Component.class)) {
            if (groupName.equals(component.getName()) && component instanceof Container group) {
                field = Swing.all(group, JTextField.class).get(0);
            }
        }
        if (field == null) {
            throw new IllegalStateException("could not find " + groupName);
        }
        String old = field.getText();
        if (old.equals(wanted)) {
            Log.line(title + " is already set to " + wanted);
            return;
        }
        Log.line(title + " was set to " + old);
        field.setText(wanted);
        Log.line(title + " now set to " + wanted);
    }

    private static void tick(JDialog dialog, String opening, String title, String text, boolean wanted) {
        Log.line(opening);
        apiSettings(dialog);
        JCheckBox box = Swing.button(dialog, JCheckBox.class, text);
        if (box == null) {
            Log.error("could not find " + title + " checkbox");
        } else if (box.isSelected() == wanted) {
            Log.line(title + " checkbox is already set to: " + wanted);
        } else {
            box.setSelected(wanted);
            Log.line(title + " checkbox is now set to: " + wanted);
        }
    }

    private static void resetOrderIds(JDialog dialog) {
        Log.line("Resetting API order ids");
        apiSettings(dialog);
        JButton button = Swing.button(dialog, JButton.class, "Reset API order ID sequence");
        if (button != null) {
            Swing.click(dialog, button.getText());
        }
    }

    /** Unlike other switches these know yes and no only. */
    private void setPrecautions(JDialog dialog) {
        if (dialog == null) {
            throw new NullPointerException();
        }
        if (!selectPage(dialog, "API", "Precautions")) {
            Log.fatal(ExitCode.UNHANDLED_EXCEPTION, "Can't find API - Precautions settings");
        }
        for (var entry : PRECAUTIONS.entrySet()) {
            String value = ibc.settings.text(entry.getKey());
            String text = entry.getValue();
            if (value.isEmpty()) {
                continue;
            }
            boolean wanted = value.equalsIgnoreCase("yes");
            if (!wanted && !value.equalsIgnoreCase("no")) {
                Log.fatal(ExitCode.SETTING_VALUE, "Invalid setting value for '" + text + "'");
            }
            JCheckBox box = Swing.button(dialog, JCheckBox.class, text);
            String state = wanted ? "selected" : "unselected";
            if (box == null) {
                Log.line("Checkbox '" + text + "' not found");
            } else if (box.isSelected() == wanted) {
                Log.line("'" + text + "' is already " + state);
            } else {
                box.setSelected(wanted);
                Log.line("'" + text + "' is now " + state);
            }
        }
    }
}
