package ibcalpha.ibc;

import java.awt.Component;
import java.awt.Container;
import java.awt.Window;
import javax.swing.AbstractButton;
import javax.swing.JCheckBox;
import javax.swing.JComboBox;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.JPasswordField;
import javax.swing.JTree;
import javax.swing.text.JTextComponent;

/** Writes a window's components as an indented tree, with the text a person would see on them. */
final class WindowDump {
    private final StringBuilder out = new StringBuilder();

    private WindowDump() {}

    static String of(Window window) {
        WindowDump dump = new WindowDump();
        for (Component child : window.getComponents()) {
            dump.component(child, 0);
        }
        return dump.out.toString();
    }

    private void line(int level, String text) {
        out.append("|   ".repeat(level)).append(text).append('\n');
    }

    private void component(Component component, int level) {
        String disabled = component.isEnabled() ? "" : "[Disabled]";
        line(level, component.getName() + "(" + component.getClass().getName() + "){" + content(component) + "}" + disabled);
        if (component instanceof JMenuBar bar) {
            for (int i = 0; i < bar.getMenuCount(); i++) {
                menu(bar.getMenu(i), level + 1);
            }
            return;
        }
        if (component instanceof JTree tree && tree.getModel().getRoot() != null) {
            node(tree, tree.getModel().getRoot(), level + 1);
        } else if (component instanceof JList<?> list) {
            for (int i = 0; i < list.getModel().getSize(); i++) {
                line(level + 1, String.valueOf(list.getModel().getElementAt(i)));
            }
        } else if (component instanceof JComboBox<?> box) {
            for (int i = 0; i < box.getItemCount(); i++) {
                line(level + 1, String.valueOf(box.getItemAt(i)));
            }
        }
        if (component instanceof Container container) {
            for (Component child : container.getComponents()) {
                component(child, level + 1);
            }
        }
    }

    private static String content(Component component) {
        String kind = component.getClass().getSimpleName();
        if (component instanceof JPasswordField) {
            return kind + ": ***";
        }
        if (component instanceof JCheckBox box) {
            return kind + ": " + box.getText() + (box.isSelected() ? "(selected)" : "(unselected)");
        }
        if (component instanceof AbstractButton button) {
            return kind + ": " + button.getText();
        }
        if (component instanceof JLabel label) {
            return kind + ": " + label.getText();
        }
        if (component instanceof JTextComponent text) {
            return kind + ": " + text.getText();
        }
        if (component instanceof JMenuBar) {
            return kind + ": " + component.getName();
        }
        if (component instanceof JTree || component instanceof JList || component instanceof JComboBox) {
            return kind + ": ";
        }
        return ancestry(component.getClass());
    }

    /** The class and what it comes from, oldest first. */
    private static String ancestry(Class<?> type) {
        return type.getSuperclass() == null ? type.getSimpleName() : ancestry(type.getSuperclass()) + "." + type.getSimpleName();
    }

    private void menu(JMenuItem item, int level) {
        if (item == null) {
            return;
        }
        line(level, item.getText());
        if (item instanceof JMenu menu) {
            for (Component entry : menu.getMenuComponents()) {
                if (entry instanceof JMenuItem child) {
                    menu(child, level + 1);
                }
            }
        }
    }

    private void node(JTree tree, Object node, int level) {
        line(level, node + "  (" + ancestry(node.getClass()) + ")");
        for (int i = 0; i < tree.getModel().getChildCount(node); i++) {
            node(tree, tree.getModel().getChild(node, i), level + 1);
        }
    }
}
