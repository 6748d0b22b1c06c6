// Owns the thread dump: taken and written without the event thread, so that it shows why that one is stuck.
package ibagent.bridge;

import java.util.Map;

final class ThreadDump {
  private static final int DEEPEST = 64;
  private static final int LONGEST = 1_000_000;

  private ThreadDump() {}

  static String body() {
    StringBuilder body = new StringBuilder(",\"threads\":[");
    boolean first = true;
    boolean truncated = false;
    for (Map.Entry<Thread, StackTraceElement[]> entry : Thread.getAllStackTraces().entrySet()) {
      if (body.length() > LONGEST) {
        truncated = true;
        break;
      }
      Thread thread = entry.getKey();
      body.append(first ? "{\"name\":" : ",{\"name\":");
      first = false;
      Json.quote(body, thread.getName());
      Json.member(body, "state", thread.getState().name());
      Json.member(body, "daemon", thread.isDaemon());
      body.append(",\"frames\":[");
      StackTraceElement[] frames = entry.getValue();
      for (int i = 0; i < frames.length && i < DEEPEST; i++) {
        if (i > 0) body.append(',');
        Json.quote(body, frames[i].toString());
      }
      body.append("]}");
    }
    return body.append("],\"truncated\":").append(truncated).toString();
  }
}
