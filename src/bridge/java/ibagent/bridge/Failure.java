// Owns the errors that a client is told: a code that it can branch on, and a sentence for people.
package ibagent.bridge;

final class Failure extends Exception {
  private static final long serialVersionUID = 1;

  final String code;
  /** How long the event thread has not answered, in milliseconds; -1 where that is not the matter. */
  final long frozenMs;

  Failure(String code, String message) {
    this(code, message, -1);
  }

  Failure(String code, String message, long frozenMs) {
    super(message, null, false, false);
    this.code = code;
    this.frozenMs = frozenMs;
  }

  /** Without the exception's own text: it might quote what stands in a field. */
  static Failure of(Throwable problem) {
    if (problem instanceof Failure) return (Failure) problem;
    return new Failure("failed", "The program threw " + problem.getClass().getName() + ".");
  }

  static Failure badRequest(String message) {
    return new Failure("bad-request", message);
  }

  static Failure stale(String message) {
    return new Failure("stale", message);
  }
}
