// Owns component paths: `0/2/1:javax.swing.JButton`, the places from the window down and the class of what is there.
package ibagent.bridge;

import java.awt.Component;
import java.awt.Container;
import java.awt.Window;
import javax.swing.JMenu;

final class Lookup {
  private static final int DEEPEST = 200;

  private Lookup() {}

  /** A menu's items are children too, although they stand in a popup that is no part of the window until it opens. */
  static Component[] children(Component component) {
    if (component instanceof JMenu) return ((JMenu) component).getMenuComponents();
    return component instanceof Container ? ((Container) component).getComponents() : new Component[0];
  }

  /** The component at a path; a {@link Failure} `stale` when there is none, or one of another class. */
  static Component find(Window window, String path) throws Failure {
    int colon = path.indexOf(':');
    if (colon < 1) throw Failure.badRequest("A path looks like 0/2/1:javax.swing.JButton.");
    String[] places = path.substring(0, colon).split("/", -1);
    if (places.length > DEEPEST) throw Failure.badRequest("The path is too deep.");
    Component component = window;
    for (String place : places) {
      int index = number(place);
      Component[] children = children(component);
      if (index >= children.length) throw Failure.stale("There is no component at this path any more.");
      component = children[index];
    }
    if (!component.getClass().getName().equals(path.substring(colon + 1))) {
      throw Failure.stale("The component at this path is of another class by now.");
    }
    return component;
  }

  private static int number(String place) throws Failure {
    try {
      int index = Integer.parseInt(place);
      if (index >= 0) return index;
    } catch (NumberFormatException e) {
      // Told below.
    }
    throw Failure.badRequest("A path looks like 0/2/1:javax.swing.JButton.");
  }
}
