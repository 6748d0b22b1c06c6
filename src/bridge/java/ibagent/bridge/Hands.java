// Owns the way to the event thread: whether there is one yet, what has been posted to it, and how long it has not answered.
package ibagent.bridge;

import java.lang.instrument.Instrumentation;
import java.util.ArrayDeque;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A thread of its own, so that a program which holds one of AWT's locks never holds up the socket. AWT is not touched
 * before the program has started it, and its event thread is left alone while no window has been made: asking it would
 * bring it up again, and keep a JVM alive that wants to end.
 */
final class Hands implements Runnable {
  private static final Set<String> OPERATIONS =
      Set.of("windows", "ping", "set-text", "type-code", "select-row", "click", "close-window", "menu", "paint");
  private static final int MOST_POSTED = 64;
  private static final long LOOK_MS = 100;

  private final Server server;
  private final Instrumentation instrumentation;
  private final LinkedBlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();
  /** Posted to the event thread, which has not come to them yet; in the order of posting. */
  private final ArrayDeque<Request> posted = new ArrayDeque<>();

  private volatile boolean watchWanted;
  private boolean watching;
  private boolean started;

  Hands(Server server, Instrumentation instrumentation) {
    this.server = server;
    this.instrumentation = instrumentation;
  }

  static boolean knows(String op) {
    return OPERATIONS.contains(op);
  }

  /** Of any thread. */
  void take(final Request request) {
    queue.add(
        new Runnable() {
          @Override
          public void run() {
            bring(request);
          }
        });
  }

  /** Of any thread: work that would be too long for the event thread or the server's. */
  void later(Runnable work) {
    queue.add(work);
  }

  /** Of any thread: window events are wanted from now on. */
  void watch() {
    if (watchWanted) return;
    watchWanted = true;
    queue.add(
        new Runnable() {
          @Override
          public void run() {}
        });
  }

  @Override
  public void run() {
    for (;;) {
      try {
        Runnable work = watchWanted && !watching ? queue.poll(LOOK_MS, TimeUnit.MILLISECONDS) : queue.take();
        if (work != null) work.run();
        if (watchWanted && !watching && awtStarted()) {
          watching = true;
          Watch.install(server);
        }
      } catch (Throwable problem) {
        // The request that it was for gets its answer by the deadline.
      }
    }
  }

  private void bring(Request request) {
    try {
      String awt = !awtStarted() ? "not-started" : Screen.anyDisplayable() ? "running" : "idle";
      if (!awt.equals("running")) {
        if (request.giveUp()) withoutWindows(request, awt);
        return;
      }
      synchronized (posted) {
        // Never more than a few wait there: a frozen thread would collect them for hours.
        if (posted.size() >= MOST_POSTED) return;
        request.postedAt = System.nanoTime();
        posted.add(request);
      }
      Screen.post(request);
    } catch (Throwable problem) {
      request.giveUp();
      server.fail(request, Failure.of(problem));
    }
  }

  private void withoutWindows(Request request, String awt) {
    if (request.op.equals("ping")) {
      server.succeed(request, Json.member(new StringBuilder(), "eventThread", awt).toString());
    } else if (request.op.equals("windows")) {
      StringBuilder body = Json.member(new StringBuilder(), "awt", awt);
      server.succeed(request, body.append(",\"windows\":[],\"truncated\":false").toString());
    } else {
      server.fail(request, Failure.stale("There is no window at all."));
    }
  }

  /** On the event thread. */
  void entered(Request request) {
    synchronized (posted) {
      posted.remove(request);
    }
  }

  /** For how many milliseconds the event thread has not come to what was posted to it; since the time given when nothing was. */
  long waitsFor(long now, long otherwise) {
    Request first;
    synchronized (posted) {
      first = posted.peek();
    }
    return Math.max(0, now - (first == null ? otherwise : first.postedAt)) / 1_000_000;
  }

  /** AWT's threads come up with its toolkit; looking for them loads none of its classes, as naming one would. */
  private boolean awtStarted() {
    if (started) return true;
    ThreadGroup root = Thread.currentThread().getThreadGroup();
    while (root.getParent() != null) root = root.getParent();
    Thread[] threads = new Thread[root.activeCount() * 2 + 16];
    int count = root.enumerate(threads, true);
    boolean found = false;
    for (int i = 0; i < count; i++) found |= threads[i].getName().startsWith("AWT-");
    if (!found) return false;
    int classes = 0;
    for (Class<?> each : instrumentation.getAllLoadedClasses()) {
      String name = each.getName();
      if (name.equals("java.awt.Window") || name.equals("java.awt.EventQueue")) classes++;
    }
    started = classes == 2;
    return started;
  }
}
