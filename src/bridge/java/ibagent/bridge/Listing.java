// Owns the list of windows: each with its components, one after the other in the order of the tree, within bounds of size and time.
package ibagent.bridge;

import java.awt.Component;
import java.awt.Dialog;
import java.awt.Frame;
import java.awt.Rectangle;
import java.awt.Window;
import javax.swing.AbstractButton;
import javax.swing.text.JTextComponent;

final class Listing {
  private static final int LONGEST = 1_200_000;
  private static final int DEEPEST = 100;
  private static final int MOST_ROWS = 1_000;
  private static final long LONGEST_NANOS = 1_500_000_000L;

  private final StringBuilder out = new StringBuilder(16 * 1024);
  private final boolean components;
  private final int rows;
  private final long until = System.nanoTime() + LONGEST_NANOS;
  private boolean truncated;
  private boolean firstComponent;

  private Listing(boolean components, int rows) {
    this.components = components;
    this.rows = rows;
  }

  static String body(Request request) throws Failure {
    String only = request.optionalText("window");
    boolean components = request.flag("components", true);
    Listing listing = new Listing(components, (int) request.number("rows", 200, 0, MOST_ROWS));
    listing.out.append(",\"awt\":\"running\",\"windows\":[");
    boolean first = true;
    for (Window window : Screen.showing()) {
      if (only != null && !Screen.idOf(window).equals(only)) continue;
      if (!first) listing.out.append(',');
      first = false;
      listing.window(window);
    }
    return listing.out.append("],\"truncated\":").append(listing.truncated).toString();
  }

  private void window(Window window) {
    out.append("{\"id\":");
    Json.quote(out, Screen.idOf(window));
    Json.member(out, "class", window.getClass().getName());
    Json.member(out, "kind", window instanceof Dialog ? "dialog" : window instanceof Frame ? "frame" : "window");
    Json.member(out, "title", Screen.titleOf(window));
    boolean modal = window instanceof Dialog && ((Dialog) window).isModal();
    Json.member(out, "modal", modal);
    Window owner = window.getOwner();
    Json.member(out, "owner", owner == null ? null : Screen.idOf(owner));
    Json.member(out, "active", window.isActive());
    Json.member(out, "enabled", window.isEnabled());
    bounds(window.getBounds());
    if (components) {
      out.append(",\"components\":[");
      firstComponent = true;
      Component[] children = window.getComponents();
      for (int i = 0; i < children.length; i++) component(children[i], Integer.toString(i), 1, 0, 0);
      out.append(']');
    }
    out.append('}');
  }

  private void component(Component component, String place, int depth, int x, int y) {
    if (out.length() > LONGEST || depth > DEEPEST || System.nanoTime() > until) {
      truncated = true;
      return;
    }
    int left = x;
    int top = y;
    int before = out.length();
    try {
      Rectangle bounds = component.getBounds();
      left += bounds.x;
      top += bounds.y;
      if (!firstComponent) out.append(',');
      out.append("{\"path\":");
      Json.quote(out, place + ":" + component.getClass().getName());
      describe(component);
      bounds.setLocation(left, top);
      bounds(bounds);
      out.append('}');
      firstComponent = false;
    } catch (Throwable problem) {
      // A component that cannot even tell its place is left out; half a line of it would break all the rest.
      out.setLength(before);
      truncated = true;
    }
    Component[] children;
    try {
      children = Lookup.children(component);
    } catch (Throwable problem) {
      truncated = true;
      return;
    }
    for (int i = 0; i < children.length; i++) {
      if (children[i] != null) component(children[i], place + "/" + i, depth + 1, left, top);
    }
  }

  /** What is as usual is left out: enabled, visible, not selected, not editable, no text, no name. */
  private void describe(Component component) {
    String name = component.getName();
    if (name != null) Json.member(out, "name", Texts.cut(name, 500));
    boolean masked = Texts.masked(component);
    if (masked) Json.member(out, "masked", true);
    try {
      String text = masked ? null : Texts.of(component);
      if (text != null) Json.member(out, "text", text);
    } catch (Throwable problem) {
      Json.member(out, "unreadable", true);
    }
    String border = Texts.borderTitle(component);
    if (border != null) Json.member(out, "border", border);
    if (!component.isEnabled()) Json.member(out, "enabled", false);
    if (!component.isVisible()) Json.member(out, "visible", false);
    if (component instanceof JTextComponent && ((JTextComponent) component).isEditable()) {
      Json.member(out, "editable", true);
    }
    if (component instanceof AbstractButton) {
      if (((AbstractButton) component).isSelected()) Json.member(out, "selected", true);
    } else if (component instanceof java.awt.Checkbox && ((java.awt.Checkbox) component).getState()) {
      Json.member(out, "selected", true);
    }
    if (!masked) rows(component);
  }

  private void rows(Component component) {
    int before = out.length();
    try {
      int count = Texts.rows(component);
      if (count < 0) return;
      out.append(",\"rows\":{\"count\":").append(count);
      Json.member(out, "selected", Texts.selectedRow(component));
      out.append(",\"texts\":[");
      for (int i = 0; i < count && i < rows && out.length() < LONGEST; i++) {
        if (i > 0) out.append(',');
        String text;
        try {
          text = Texts.row(component, i);
        } catch (Throwable problem) {
          text = null;
        }
        Json.quote(out, text);
      }
      out.append("]}");
    } catch (Throwable problem) {
      out.setLength(before);
      Json.member(out, "unreadable", true);
    }
  }

  private void bounds(Rectangle bounds) {
    out.append(",\"bounds\":[").append(bounds.x).append(',').append(bounds.y).append(',');
    out.append(bounds.width).append(',').append(bounds.height).append(']');
  }
}
