// What the stand-in writes on standard output, where IBC's own lines go as well: one unprefixed line at a time.
package ibgateway;

final class Console {
  private Console() {}

  static void say(String text) {
    print("STANDIN " + text + "\n");
  }

  /** Writes text as it is; one write per call, so that lines of other threads do not get in between. */
  static void print(String text) {
    synchronized (System.out) {
      System.out.print(text);
      System.out.flush();
    }
  }
}
