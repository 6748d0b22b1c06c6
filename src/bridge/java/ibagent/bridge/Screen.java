// Owns the windows of this JVM: which there are, their ids, and the post to their event thread. First of the files that name AWT.
package ibagent.bridge;

import java.awt.Dialog;
import java.awt.EventQueue;
import java.awt.Frame;
import java.awt.Window;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

final class Screen {
  /** A window that has an id; the id goes with it and never comes again. */
  private static final class Known extends WeakReference<Window> {
    final String id;

    Known(Window window, String id) {
      super(window);
      this.id = id;
    }
  }

  private static final List<Known> KNOWN = new ArrayList<>();
  private static int last;

  private Screen() {}

  static void post(Runnable work) {
    EventQueue.invokeLater(work);
  }

  /** Whether some window keeps AWT awake; then one more event changes nothing. */
  static boolean anyDisplayable() {
    for (Window window : Window.getWindows()) if (window.isDisplayable()) return true;
    return false;
  }

  static List<Window> showing() {
    List<Window> showing = new ArrayList<>();
    for (Window window : Window.getWindows()) if (window.isShowing()) showing.add(window);
    return showing;
  }

  /** Of any thread. By identity: a window's own equals is none of ours. */
  static String idOf(Window window) {
    synchronized (KNOWN) {
      Iterator<Known> each = KNOWN.iterator();
      while (each.hasNext()) {
        Known known = each.next();
        Window there = known.get();
        if (there == window) return known.id;
        if (there == null) each.remove();
      }
      Known known = new Known(window, "w" + ++last);
      KNOWN.add(known);
      return known.id;
    }
  }

  /** The showing window with an id and a title; a {@link Failure} when it is gone or called otherwise by now. */
  static Window find(String id, String title) throws Failure {
    for (Window window : showing()) {
      if (!idOf(window).equals(id)) continue;
      if (title != null && !title.equals(titleOf(window))) throw Failure.stale("The window has another title by now.");
      return window;
    }
    throw Failure.stale("The window does not show any more.");
  }

  static String titleOf(Window window) {
    try {
      String title = null;
      if (window instanceof Frame) title = ((Frame) window).getTitle();
      if (window instanceof Dialog) title = ((Dialog) window).getTitle();
      return title == null ? "" : Texts.cut(title, 500);
    } catch (Throwable problem) {
      return "";
    }
  }
}
