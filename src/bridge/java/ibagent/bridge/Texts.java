// Owns the words on a component: what a person would read there, and what nobody may.
package ibagent.bridge;

import java.awt.Component;
import javax.accessibility.AccessibleContext;
import javax.swing.AbstractButton;
import javax.swing.JComboBox;
import javax.swing.JComponent;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JPasswordField;
import javax.swing.JProgressBar;
import javax.swing.JTabbedPane;
import javax.swing.JTable;
import javax.swing.JTree;
import javax.swing.border.Border;
import javax.swing.border.TitledBorder;
import javax.swing.plaf.basic.BasicHTML;
import javax.swing.text.Document;
import javax.swing.text.JTextComponent;
import javax.swing.text.View;
import javax.swing.tree.TreePath;

/** All of it runs on the event thread, and may throw whatever the program's own components throw. */
final class Texts {
  static final int LONGEST = 8_000;
  private static final int LONGEST_ROW = 500;
  private static final Object SECRET = new Object();

  private Texts() {}

  /** Whether a component's text may never be read: a password, or what was typed as a code. */
  static boolean masked(Component component) {
    if (component instanceof JPasswordField) return true;
    if (component instanceof java.awt.TextField) return ((java.awt.TextField) component).echoCharIsSet();
    return component instanceof JComponent && ((JComponent) component).getClientProperty(SECRET) != null;
  }

  /** From now on nobody reads this field's text through the bridge. */
  static void mask(JComponent field) {
    field.putClientProperty(SECRET, Boolean.TRUE);
  }

  /** The visible text, null where there is none or where it is masked. HTML as the plain text that it shows. */
  static String of(Component component) throws Exception {
    if (masked(component)) return null;
    if (component instanceof AbstractButton) {
      return plain((JComponent) component, ((AbstractButton) component).getText());
    }
    if (component instanceof JLabel) return plain((JComponent) component, ((JLabel) component).getText());
    if (component instanceof JTextComponent) return documentText(((JTextComponent) component).getDocument());
    if (component instanceof JProgressBar) {
      JProgressBar bar = (JProgressBar) component;
      return bar.isStringPainted() ? cut(bar.getString(), LONGEST) : null;
    }
    if (component instanceof java.awt.Label) return cut(((java.awt.Label) component).getText(), LONGEST);
    if (component instanceof java.awt.Button) return cut(((java.awt.Button) component).getLabel(), LONGEST);
    if (component instanceof java.awt.Checkbox) return cut(((java.awt.Checkbox) component).getLabel(), LONGEST);
    if (component instanceof java.awt.TextComponent) {
      return cut(((java.awt.TextComponent) component).getText(), LONGEST);
    }
    return accessibleName(component);
  }

  /** What a component that draws its own words tells screen readers. Swing's own have theirs above. */
  private static String accessibleName(Component component) {
    if (!(component instanceof JComponent) || ((JComponent) component).getComponentCount() > 0) return null;
    if (component.getClass().getName().startsWith("javax.swing.")) return null;
    AccessibleContext context = component.getAccessibleContext();
    return context == null ? null : cut(context.getAccessibleName(), LONGEST);
  }

  /** The title in a component's border, null where there is none. */
  static String borderTitle(Component component) {
    if (!(component instanceof JComponent)) return null;
    Border border = ((JComponent) component).getBorder();
    return border instanceof TitledBorder ? cut(((TitledBorder) border).getTitle(), LONGEST_ROW) : null;
  }

  private static String plain(JComponent component, String text) throws Exception {
    if (text == null || !BasicHTML.isHTMLString(text)) return cut(text, LONGEST);
    Object view = component.getClientProperty(BasicHTML.propertyKey);
    if (view instanceof View) return documentText(((View) view).getDocument()).strip();
    return cut(text.replaceAll("<[^<>]*>", " ").strip(), LONGEST);
  }

  private static String documentText(Document document) throws Exception {
    return document.getText(0, Math.min(document.getLength(), LONGEST));
  }

  static String cut(String text, int longest) {
    return text == null || text.length() <= longest ? text : text.substring(0, longest);
  }

  // ---- rows -----------------------------------------------------------------------------------------------------

  /** How many rows a list, a combo box, a tree as it is unfolded, a table or a row of tabs has; -1 for anything else. */
  static int rows(Component component) {
    if (component instanceof JList) return ((JList<?>) component).getModel().getSize();
    if (component instanceof JComboBox) return ((JComboBox<?>) component).getItemCount();
    if (component instanceof JTree) return ((JTree) component).getRowCount();
    if (component instanceof JTable) return ((JTable) component).getRowCount();
    if (component instanceof JTabbedPane) return ((JTabbedPane) component).getTabCount();
    return -1;
  }

  static int selectedRow(Component component) {
    if (component instanceof JList) return ((JList<?>) component).getSelectedIndex();
    if (component instanceof JComboBox) return ((JComboBox<?>) component).getSelectedIndex();
    if (component instanceof JTree) return ((JTree) component).getLeadSelectionRow();
    if (component instanceof JTable) return ((JTable) component).getSelectedRow();
    return ((JTabbedPane) component).getSelectedIndex();
  }

  /** The text of a row; the cells of a table's with tabs between them. */
  static String row(Component component, int index) {
    Object value;
    if (component instanceof JList) {
      value = ((JList<?>) component).getModel().getElementAt(index);
    } else if (component instanceof JComboBox) {
      value = ((JComboBox<?>) component).getItemAt(index);
    } else if (component instanceof JTree) {
      JTree tree = (JTree) component;
      TreePath path = tree.getPathForRow(index);
      Object node = path == null ? null : path.getLastPathComponent();
      value = node == null ? null : tree.convertValueToText(node, false, false, false, index, false);
    } else if (component instanceof JTable) {
      JTable table = (JTable) component;
      StringBuilder cells = new StringBuilder();
      for (int column = 0; column < table.getColumnCount() && cells.length() < LONGEST_ROW; column++) {
        Object cell = table.getValueAt(index, column);
        if (column > 0) cells.append('\t');
        if (cell != null) cells.append(cell);
      }
      value = cells.toString();
    } else {
      value = ((JTabbedPane) component).getTitleAt(index);
    }
    String text = value == null ? "" : value.toString();
    return text == null ? "" : cut(text, LONGEST_ROW);
  }
}
