// Which authenticator codes are right: one fixed code, or those of a seed (RFC 6238), each step only once.
package ibgateway;

import java.security.GeneralSecurityException;
import java.util.Locale;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

final class CodeCheck {
  private static final long STEP_MS = 30_000;
  private static final String BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

  private final String fixed;
  private final byte[] seed;
  private long usedStep = Long.MIN_VALUE;
  private int refusals;

  /** What became of a code. `step` is the time step that it is of; null: of none near this moment, or the code is a fixed one. */
  record Verdict(boolean accepted, Long step) {
    /** For the console; never the code. */
    @Override
    public String toString() {
      return (accepted ? "accepted" : "rejected") + (step == null ? "" : " step=" + step);
    }
  }

  CodeCheck(Scenario scenario) {
    String text = scenario.text("totp.seed", null);
    seed = text == null ? null : decode(text);
    fixed = scenario.text("totp.code", "123456");
    refusals = scenario.integer("totp.refuse", 0);
  }

  Verdict judge(String code) {
    Long step = seed == null ? null : stepOf(code);
    boolean right = seed == null ? code.equals(fixed) : step != null && step > usedStep;
    if (right && step != null) usedStep = step;
    return new Verdict(right && refusals-- <= 0, step);
  }

  /** Used or not. */
  private Long stepOf(String code) {
    long now = System.currentTimeMillis() / STEP_MS;
    for (long step = now - 1; step <= now + 1; step++) {
      if (code.equals(codeOf(step))) return step;
    }
    return null;
  }

  private String codeOf(long step) {
    try {
      Mac mac = Mac.getInstance("HmacSHA1");
      mac.init(new SecretKeySpec(seed, "HmacSHA1"));
      byte[] hash = mac.doFinal(java.nio.ByteBuffer.allocate(8).putLong(step).array());
      int offset = hash[hash.length - 1] & 0xf;
      int number = java.nio.ByteBuffer.wrap(hash, offset, 4).getInt() & 0x7fffffff;
      return String.format(Locale.ROOT, "%06d", number % 1_000_000);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] decode(String text) {
    String clean = text.toUpperCase(Locale.ROOT).replaceAll("[\\s=-]", "");
    byte[] out = new byte[clean.length() * 5 / 8];
    int buffer = 0;
    int bits = 0;
    int at = 0;
    for (char c : clean.toCharArray()) {
      int value = BASE32.indexOf(c);
      if (value < 0) throw new IllegalArgumentException("totp.seed is not base32");
      buffer = (buffer << 5 | value) & 0xffff;
      bits += 5;
      if (bits >= 8) {
        bits -= 8;
        out[at++] = (byte) (buffer >> bits);
      }
    }
    return out;
  }
}
