package ibcalpha.ibc;

import java.awt.Component;
import java.awt.Container;
import java.awt.Window;
import java.awt.event.InputEvent;
import java.awt.event.KeyEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.swing.AbstractButton;
import javax.swing.JButton;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.SwingUtilities;

/** Finds and works Swing controls by the words on them: whole words for buttons and menus, parts for labels and titles. */
final class Swing {
    private Swing() {}

    /** All components of a type, depth first. */
    static <T> List<T> all(Container container, Class<T> type) {
        List<T> found = new ArrayList<>();
        collect(container, type, found);
        return found;
    }

    private static <T> void collect(Component component, Class<T> type, List<T> found) {
        if (type.isInstance(component)) {
            found.add(type.cast(component));
        }
        if (component instanceof Container container) {
            for (Component child : container.getComponents()) {
                collect(child, type, found);
            }
        }
    }

    static <T extends AbstractButton> T button(Container container, Class<T> type, String text) {
        for (T button : all(container, type)) {
            if (text.equalsIgnoreCase(button.getText())) {
                return button;
            }
        }
        return null;
    }

    static JButton firstButton(Container container, String... texts) {
        for (String text : texts) {
            JButton button = button(container, JButton.class, text);
            if (button != null) {
                return button;
            }
        }
        return null;
    }

    static JLabel label(Container container, String part) {
        for (JLabel label : all(container, JLabel.class)) {
            if (contains(label.getText(), part)) {
                return label;
            }
        }
        return null;
    }

    static boolean contains(String text, String part) {
        return text != null && text.toLowerCase(Locale.ROOT).contains(part.toLowerCase(Locale.ROOT));
    }

    static String title(Window window) {
        if (window instanceof JFrame frame) {
            return frame.getTitle();
        }
        return window instanceof JDialog dialog ? dialog.getTitle() : null;
    }

    static boolean titleContains(Window window, String part) {
        return contains(title(window), part);
    }

    static JMenuItem menuItem(JFrame frame, String menuName, String itemName) {
        JMenuBar bar = frame.getJMenuBar();
        for (int i = 0; bar != null && i < bar.getMenuCount(); i++) {
            JMenu menu = bar.getMenu(i);
            if (menu == null || !menuName.equalsIgnoreCase(menu.getText())) {
                continue;
            }
            for (Component entry : menu.getMenuComponents()) {
                if (entry instanceof JMenuItem item && itemName.equalsIgnoreCase(item.getText())) {
                    return item;
                }
            }
        }
        return null;
    }

    static void clickMenu(JFrame frame, String menuName, String itemName) {
        JMenuItem item = menuItem(frame, menuName, itemName);
        if (item == null) {
            throw new IllegalStateException("could not find menu item " + menuName + " > " + itemName);
        }
        SwingUtilities.invokeLater(item::doClick);
    }

    /** Clicks the first of these buttons that exists, as a task of its own on the event thread. */
    static boolean click(Container container, String... texts) {
        JButton button = firstButton(container, texts);
        if (button == null) {
            return false;
        }
        SwingUtilities.invokeLater(() -> clickNow(button));
        return true;
    }

    static void clickNow(JButton button) {
        boolean disabled = !button.isEnabled();
        if (disabled) {
            button.setEnabled(true);
            Log.line("Button was disabled, has been enabled: " + button.getText());
        }
        Log.line("Click button: " + button.getText());
        String text = button.getText();
        button.doClick();
        if (disabled) {
            button.setEnabled(false);
            Log.line("Button now disabled: " + text);
        }
    }

    static void pressControlAlt(JFrame frame, int key) {
        int modifiers = InputEvent.CTRL_DOWN_MASK | InputEvent.ALT_DOWN_MASK;
        KeyEvent press = new KeyEvent(frame, KeyEvent.KEY_PRESSED, System.currentTimeMillis(), modifiers, key, KeyEvent.CHAR_UNDEFINED);
        SwingUtilities.invokeLater(() -> frame.dispatchEvent(press));
    }
}
