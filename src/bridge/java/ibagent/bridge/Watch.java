// Owns the news of windows: opened, closed, activated, shown, hidden, another title. Costs nothing while no window changes.
package ibagent.bridge;

import java.awt.AWTEvent;
import java.awt.Toolkit;
import java.awt.Window;
import java.awt.event.AWTEventListener;
import java.awt.event.ComponentAdapter;
import java.awt.event.ComponentEvent;
import java.awt.event.WindowEvent;
import java.beans.PropertyChangeEvent;
import java.beans.PropertyChangeListener;

final class Watch extends ComponentAdapter implements AWTEventListener, PropertyChangeListener {
  private final Server server;

  private Watch(Server server) {
    this.server = server;
  }

  /** Windows that were there before are told by one event: whoever listens looks at all of them then. */
  static void install(Server server) {
    Watch watch = new Watch(server);
    Toolkit.getDefaultToolkit().addAWTEventListener(watch, AWTEvent.WINDOW_EVENT_MASK);
    for (Window window : Window.getWindows()) watch.attach(window);
    server.publish("{\"event\":\"watching\"}");
  }

  /** Neither a title nor a window that is hidden and shown again is a window event. */
  private void attach(Window window) {
    for (PropertyChangeListener there : window.getPropertyChangeListeners("title")) if (there == this) return;
    window.addPropertyChangeListener("title", this);
    window.addComponentListener(this);
  }

  private void detach(Window window) {
    window.removePropertyChangeListener("title", this);
    window.removeComponentListener(this);
  }

  @Override
  public void eventDispatched(AWTEvent event) {
    try {
      if (!(event instanceof WindowEvent)) return;
      Window window = ((WindowEvent) event).getWindow();
      switch (event.getID()) {
        case WindowEvent.WINDOW_OPENED:
          attach(window);
          tell("opened", window);
          break;
        case WindowEvent.WINDOW_ACTIVATED:
          // Some windows are never said to have opened.
          attach(window);
          tell("activated", window);
          break;
        case WindowEvent.WINDOW_CLOSED:
          detach(window);
          tell("closed", window);
          break;
        default:
          break;
      }
    } catch (Throwable problem) {
      // The program's event goes on all the same.
    }
  }

  @Override
  public void propertyChange(PropertyChangeEvent event) {
    try {
      tell("title", (Window) event.getSource());
    } catch (Throwable problem) {
      // As above.
    }
  }

  @Override
  public void componentShown(ComponentEvent event) {
    try {
      tell("shown", (Window) event.getComponent());
    } catch (Throwable problem) {
      // As above.
    }
  }

  @Override
  public void componentHidden(ComponentEvent event) {
    try {
      tell("hidden", (Window) event.getComponent());
    } catch (Throwable problem) {
      // As above.
    }
  }

  private void tell(String change, Window window) {
    StringBuilder line = new StringBuilder("{\"event\":\"window\"");
    Json.member(line, "change", change);
    Json.member(line, "window", Screen.idOf(window));
    Json.member(line, "class", window.getClass().getName());
    server.publish(Json.member(line, "title", Screen.titleOf(window)).append('}').toString());
  }
}
