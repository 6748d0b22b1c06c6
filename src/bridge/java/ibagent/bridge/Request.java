// Owns one request from its line to its answer: its parameters, its deadline, and whether the event thread has begun it.
package ibagent.bridge;

import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

final class Request implements Runnable {
  private static final int WAITING = 0;
  private static final int BEGUN = 1;
  private static final int GIVEN_UP = 2;

  private static final int DEFAULT_MS = 2_000;
  private static final int LONGEST_MS = 30_000;

  final Connection connection;
  final long id;
  final String op;
  private final Map<String, Object> members;
  private final Hands hands;
  private final Server server;
  private final AtomicInteger state = new AtomicInteger(WAITING);

  final long receivedAt = System.nanoTime();
  /** By when it must be answered; moved nearer once an action is under way. The server's thread only. */
  long deadline;
  /** What a deadline that passes means: the action is under way. The server's thread only. */
  boolean underWay;
  /** The server's thread only. */
  boolean answered;
  volatile long postedAt;

  Request(Server server, Hands hands, Connection connection, long id, String op, Map<String, Object> members)
      throws Failure {
    this.server = server;
    this.hands = hands;
    this.connection = connection;
    this.id = id;
    this.op = op;
    this.members = members;
    long ms = number("timeoutMs", DEFAULT_MS, 1, LONGEST_MS);
    this.deadline = receivedAt + ms * 1_000_000;
  }

  /** On the event thread. A request that was given up is not carried out any more: its client has been told so. */
  @Override
  public void run() {
    hands.entered(this);
    if (!state.compareAndSet(WAITING, BEGUN)) return;
    try {
      String body = Operations.perform(this);
      if (body != null) server.succeed(this, body);
    } catch (Throwable problem) {
      server.fail(this, Failure.of(problem));
    }
  }

  /** True when it had not begun and now never will. */
  boolean giveUp() {
    return state.compareAndSet(WAITING, GIVEN_UP) || state.get() == GIVEN_UP;
  }

  /**
   * Called between the checks and the act: from now on the client gets an answer soon, also when the act opens a modal
   * dialog and so does not return until that is closed.
   */
  void checked() {
    server.underWay(this);
  }

  Server server() {
    return server;
  }

  // ---- parameters -----------------------------------------------------------------------------------------------

  String text(String name) throws Failure {
    String value = optionalText(name);
    if (value == null) throw Failure.badRequest("'" + name + "' is missing.");
    return value;
  }

  String optionalText(String name) throws Failure {
    return textIn(members, name);
  }

  long number(String name, long absent, long least, long most) throws Failure {
    Object value = members.get(name);
    if (value == null) return absent;
    if (!(value instanceof Long)) throw Failure.badRequest("'" + name + "' must be a whole number.");
    long number = (Long) value;
    if (number < least || number > most) {
      throw Failure.badRequest("'" + name + "' must be from " + least + " to " + most + ".");
    }
    return number;
  }

  boolean flag(String name, boolean absent) throws Failure {
    Object value = members.get(name);
    if (value == null) return absent;
    if (!(value instanceof Boolean)) throw Failure.badRequest("'" + name + "' must be true or false.");
    return (Boolean) value;
  }

  List<?> list(String name) throws Failure {
    Object value = members.get(name);
    if (!(value instanceof List)) throw Failure.badRequest("'" + name + "' must be a list.");
    return (List<?>) value;
  }

  /** Text of a member of an object; null when either is missing. */
  String textIn(String object, String name) throws Failure {
    Object value = members.get(object);
    if (value == null) return null;
    if (!(value instanceof Map)) throw Failure.badRequest("'" + object + "' must be an object.");
    return textIn((Map<?, ?>) value, name);
  }

  private static String textIn(Map<?, ?> from, String name) throws Failure {
    Object value = from.get(name);
    if (value != null && !(value instanceof String)) throw Failure.badRequest("'" + name + "' must be text.");
    return (String) value;
  }
}
