// Owns what is done on the event thread for each operation: look again whether everything is as the client saw it, then act.
package ibagent.bridge;

import java.awt.Component;
import java.awt.Window;
import java.awt.event.WindowEvent;
import java.util.Arrays;
import java.util.List;
import javax.swing.AbstractButton;
import javax.swing.JComboBox;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JList;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.JPasswordField;
import javax.swing.JTabbedPane;
import javax.swing.JTable;
import javax.swing.JTree;
import javax.swing.text.JTextComponent;

final class Operations {
  private static final String RETURNED = ",\"returned\":true";
  private static final int LONGEST_TEXT = 4_000;
  private static final int LONGEST_CODE = 64;

  private Operations() {}

  /** The members of the answer; null when it follows from elsewhere. */
  static String perform(Request request) throws Exception {
    switch (request.op) {
      case "windows":
        return Listing.body(request);
      case "ping":
        return ping(request);
      case "paint":
        Paint.take(request, window(request));
        return null;
      case "set-text":
        return setText(request);
      case "type-code":
        return typeCode(request);
      case "select-row":
        return selectRow(request);
      case "click":
        return click(request);
      case "close-window":
        return closeWindow(request);
      case "menu":
        return menu(request);
      default:
        throw new Failure("unknown-op", "There is no such operation.");
    }
  }

  private static String ping(Request request) {
    StringBuilder body = Json.member(new StringBuilder(), "eventThread", "answers");
    return Json.member(body, "micros", (System.nanoTime() - request.receivedAt) / 1_000).toString();
  }

  private static String setText(Request request) throws Exception {
    JTextComponent field = field(request, "path");
    String text = request.text("text");
    if (text.length() > LONGEST_TEXT) throw Failure.badRequest("The text is too long.");
    boolean secret = request.flag("secret", false);
    if (secret) Texts.mask(field);
    request.checked();
    type(field, text);
    return RETURNED;
  }

  /** Text and click in one turn of the event thread: no code stands there without being handed in, and nothing comes between. */
  private static String typeCode(Request request) throws Exception {
    JTextComponent field = field(request, "path");
    if (request.textIn("expect", "title") == null && request.textIn("expect", "near") == null) {
      throw Failure.badRequest("A code is typed only where the window's title or a text in it is expected.");
    }
    String code = request.text("code");
    if (code.isEmpty() || code.length() > LONGEST_CODE) throw Failure.badRequest("That is no code.");
    AbstractButton button = button(window(request), request.text("button"), request.text("buttonText"));
    Texts.mask(field);
    request.checked();
    type(field, code);
    button.doClick(0);
    return RETURNED;
  }

  /** A field may filter what is typed, and then what stands there is not what was asked for. */
  private static void type(JTextComponent field, String text) throws Failure {
    field.setText(text);
    boolean taken;
    if (field instanceof JPasswordField) {
      char[] there = ((JPasswordField) field).getPassword();
      taken = Arrays.equals(there, text.toCharArray());
      Arrays.fill(there, '\0');
    } else {
      taken = text.equals(field.getText());
    }
    if (taken) return;
    field.setText("");
    throw new Failure("not-accepted", "The field does not take this text.");
  }

  private static JTextComponent field(Request request, String path) throws Exception {
    Component component = component(request, path);
    if (!(component instanceof JTextComponent)) throw new Failure("wrong-kind", "The component is no text field.");
    JTextComponent field = (JTextComponent) component;
    if (!field.isShowing()) throw Failure.stale("The field does not show.");
    if (!field.isEnabled() || !field.isEditable()) throw new Failure("disabled", "The field cannot be edited.");
    return field;
  }

  private static String selectRow(Request request) throws Exception {
    Component component = component(request, "path");
    int index = (int) request.number("row", -1, 0, Integer.MAX_VALUE);
    int count = Texts.rows(component);
    if (count < 0) throw new Failure("wrong-kind", "The component has no rows.");
    if (!component.isShowing()) throw Failure.stale("The component does not show.");
    if (!component.isEnabled()) throw new Failure("disabled", "The component is disabled.");
    if (index < 0 || index >= count || !request.text("text").equals(Texts.row(component, index))) {
      throw Failure.stale("The row has another text by now.");
    }
    boolean expand = request.flag("expand", false);
    request.checked();
    if (component instanceof JList) {
      ((JList<?>) component).setSelectedIndex(index);
      ((JList<?>) component).ensureIndexIsVisible(index);
    } else if (component instanceof JComboBox) {
      ((JComboBox<?>) component).setSelectedIndex(index);
    } else if (component instanceof JTree) {
      ((JTree) component).setSelectionRow(index);
      if (expand) ((JTree) component).expandRow(index);
    } else if (component instanceof JTable) {
      ((JTable) component).setRowSelectionInterval(index, index);
    } else {
      ((JTabbedPane) component).setSelectedIndex(index);
    }
    return RETURNED;
  }

  private static String click(Request request) throws Exception {
    AbstractButton button = button(expected(request), request.text("path"), request.text("text"));
    request.checked();
    button.doClick(0);
    return RETURNED;
  }

  private static AbstractButton button(Window window, String path, String text) throws Exception {
    Component component = Lookup.find(window, path);
    if (!(component instanceof AbstractButton)) throw new Failure("wrong-kind", "The component is no button.");
    AbstractButton button = (AbstractButton) component;
    if (!text.equals(Texts.of(button))) throw Failure.stale("The button has another text by now.");
    if (!(button instanceof JMenuItem) && !button.isShowing()) throw Failure.stale("The button does not show.");
    if (!button.isEnabled()) throw new Failure("disabled", "The button is disabled.");
    return button;
  }

  private static String closeWindow(Request request) throws Exception {
    Window window = Screen.find(request.text("window"), request.text("title"));
    request.checked();
    window.dispatchEvent(new WindowEvent(window, WindowEvent.WINDOW_CLOSING));
    return RETURNED;
  }

  private static String menu(Request request) throws Exception {
    Window window = expected(request);
    JMenuBar bar = menuBar(window);
    List<?> names = request.list("items");
    if (names.isEmpty()) throw Failure.badRequest("'items' names no item.");
    Component[] level = bar == null ? new Component[0] : bar.getComponents();
    JMenuItem item = null;
    for (Object name : names) {
      item = item(level, name);
      if (item == null) throw new Failure("not-found", "The window has no such menu item.");
      if (!item.isEnabled()) throw new Failure("disabled", "The menu item is disabled.");
      level = item instanceof JMenu ? ((JMenu) item).getMenuComponents() : new Component[0];
    }
    if (item instanceof JMenu) throw new Failure("wrong-kind", "That is a menu, not one of its items.");
    request.checked();
    item.doClick(0);
    return RETURNED;
  }

  private static JMenuBar menuBar(Window window) {
    if (window instanceof JFrame) return ((JFrame) window).getJMenuBar();
    return window instanceof JDialog ? ((JDialog) window).getJMenuBar() : null;
  }

  private static JMenuItem item(Component[] level, Object name) throws Exception {
    for (Component component : level) {
      if (component instanceof JMenuItem && component.isVisible() && name.equals(Texts.of(component))) {
        return (JMenuItem) component;
      }
    }
    return null;
  }

  // ---- looking again --------------------------------------------------------------------------------------------

  private static Component component(Request request, String path) throws Exception {
    return Lookup.find(expected(request), request.text(path));
  }

  private static Window window(Request request) throws Failure {
    return Screen.find(request.text("window"), request.textIn("expect", "title"));
  }

  /** The window, if it has the title and shows the text that the client saw. */
  private static Window expected(Request request) throws Exception {
    Window window = window(request);
    String near = request.textIn("expect", "near");
    if (near != null && !shows(window, near, 0)) throw Failure.stale("The window does not show the expected text any more.");
    return window;
  }

  private static boolean shows(Component component, String text, int depth) {
    if (!component.isVisible() || depth > 100) return false;
    try {
      if (!(component instanceof Window) && text.equals(Texts.of(component))) return true;
    } catch (Exception unreadable) {
      // It is not this one.
    }
    for (Component child : Lookup.children(component)) if (child != null && shows(child, text, depth + 1)) return true;
    return false;
  }
}
