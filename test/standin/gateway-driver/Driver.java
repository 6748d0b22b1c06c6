// Stands where IBC stands: starts the stand-in Gateway and works its windows by lines read from standard input.
import java.awt.Component;
import java.awt.Container;
import java.awt.EventQueue;
import java.awt.Window;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import javax.swing.AbstractButton;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JMenu;
import javax.swing.JTextArea;
import javax.swing.JTextField;
import javax.swing.text.JTextComponent;

public final class Driver {
  public static void main(String[] args) throws Exception {
    ibgateway.GWClient.main(args);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", 2);
      String rest = words.length > 1 ? words[1] : "";
      String[] answer = new String[1];
      switch (words[0]) {
        case "click" -> EventQueue.invokeAndWait(() -> answer[0] = click(rest));
        case "fill" -> EventQueue.invokeAndWait(() -> answer[0] = fill(rest.split(" ")));
        case "select" -> EventQueue.invokeAndWait(() -> answer[0] = select(rest));
        case "windows" -> EventQueue.invokeAndWait(() -> answer[0] = windows());
        default -> answer[0] = "unknown";
      }
      System.out.println("DRIVER " + answer[0]);
    }
  }

  /** Clicks the newest enabled button or menu item of this text. */
  private static String click(String text) {
    AbstractButton found = null;
    for (Component part : parts()) {
      if (part instanceof AbstractButton button && text.equals(button.getText()) && button.isEnabled()) found = button;
    }
    if (found == null) return "missing";
    AbstractButton button = found;
    EventQueue.invokeLater(() -> button.doClick(1));
    return "ok";
  }

  /** Fills the text fields in order. */
  private static String fill(String[] values) {
    int at = 0;
    for (Component part : parts()) {
      if (part instanceof JTextField field && at < values.length) field.setText(values[at++]);
    }
    return at == values.length ? "ok" : "missing";
  }

  private static String select(String value) {
    for (Component part : parts()) {
      if (part instanceof JList<?> list) {
        list.setSelectedValue(value, true);
        return value.equals(list.getSelectedValue()) ? "ok" : "missing";
      }
    }
    return "missing";
  }

  /** Every showing window with the texts in it, on one line. */
  private static String windows() {
    StringBuilder out = new StringBuilder();
    for (Window window : showing()) {
      String title = window instanceof JFrame f ? f.getTitle() : window instanceof JDialog d ? d.getTitle() : "";
      out.append('[').append(window instanceof JDialog ? "dialog " : "frame ").append(title).append(':');
      List<Component> parts = new ArrayList<>();
      collect(window, parts);
      for (Component part : parts) {
        if (part instanceof JLabel label) out.append(' ').append(label.getText());
        if (part instanceof JTextArea area) out.append(' ').append(((JTextComponent) area).getText().replace('\n', ' '));
      }
      out.append(']');
    }
    return out.toString();
  }

  private static List<Window> showing() {
    List<Window> windows = new ArrayList<>();
    for (Window window : Window.getWindows()) if (window.isShowing()) windows.add(window);
    return windows;
  }

  private static List<Component> parts() {
    List<Component> parts = new ArrayList<>();
    for (Window window : showing()) collect(window, parts);
    return parts;
  }

  private static void collect(Container container, List<Component> into) {
    Component[] children = container instanceof JMenu menu ? menu.getMenuComponents() : container.getComponents();
    for (Component child : children) {
      into.add(child);
      if (child instanceof Container inner) collect(inner, into);
    }
  }
}
