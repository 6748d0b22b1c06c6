// Owns JSON: a reader with bounds for what clients send, and the pieces that replies are written with.
package ibagent.bridge;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Objects become Map, arrays List, numbers Long or Double; anything that is not JSON is a {@link Failure}. */
final class Json {
  private static final int DEEPEST = 8;
  private static final int MOST_VALUES = 1_000;

  private final String text;
  private int at;
  private int values;

  private Json(String text) {
    this.text = text;
  }

  /** The object in a line of UTF-8. */
  static Map<String, Object> object(byte[] line, int length) throws Failure {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(line, 0, length)).toString();
    } catch (CharacterCodingException e) {
      throw Failure.badRequest("The line is not UTF-8.");
    }
    Json reader = new Json(text);
    reader.blanks();
    if (reader.peek() != '{') throw Failure.badRequest("The line is not a JSON object.");
    Map<String, Object> object = reader.members(1);
    reader.blanks();
    if (reader.at < text.length()) throw Failure.badRequest("There is more on the line than one JSON object.");
    return object;
  }

  private Object value(int depth) throws Failure {
    if (++values > MOST_VALUES || depth > DEEPEST) throw Failure.badRequest("The request has too many parts.");
    char c = peek();
    if (c == '{') return members(depth);
    if (c == '[') return elements(depth);
    if (c == '"') return string();
    if (c == 't') return word("true", Boolean.TRUE);
    if (c == 'f') return word("false", Boolean.FALSE);
    if (c == 'n') return word("null", null);
    return number();
  }

  private Map<String, Object> members(int depth) throws Failure {
    Map<String, Object> members = new HashMap<>();
    at++;
    blanks();
    if (peek() == '}') {
      at++;
      return members;
    }
    for (;;) {
      blanks();
      if (peek() != '"') throw broken();
      String name = string();
      blanks();
      take(':');
      blanks();
      Object value = value(depth + 1);
      if (members.containsKey(name)) throw Failure.badRequest("A member of the request stands there twice.");
      members.put(name, value);
      blanks();
      if (peek() == ',') {
        at++;
        continue;
      }
      take('}');
      return members;
    }
  }

  private List<Object> elements(int depth) throws Failure {
    List<Object> elements = new ArrayList<>();
    at++;
    blanks();
    if (peek() == ']') {
      at++;
      return elements;
    }
    for (;;) {
      blanks();
      elements.add(value(depth + 1));
      blanks();
      if (peek() == ',') {
        at++;
        continue;
      }
      take(']');
      return elements;
    }
  }

  private String string() throws Failure {
    at++;
    StringBuilder out = new StringBuilder();
    for (;;) {
      char c = next();
      if (c == '"') return out.toString();
      if (c < 0x20) throw broken();
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char escape = next();
      switch (escape) {
        case '"':
        case '\\':
        case '/':
          out.append(escape);
          break;
        case 'b':
          out.append('\b');
          break;
        case 'f':
          out.append('\f');
          break;
        case 'n':
          out.append('\n');
          break;
        case 'r':
          out.append('\r');
          break;
        case 't':
          out.append('\t');
          break;
        case 'u':
          out.append((char) hexadecimal());
          break;
        default:
          throw broken();
      }
    }
  }

  private int hexadecimal() throws Failure {
    int unit = 0;
    for (int i = 0; i < 4; i++) {
      int digit = Character.digit(next(), 16);
      if (digit < 0) throw broken();
      unit = unit * 16 + digit;
    }
    return unit;
  }

  private Object word(String word, Object value) throws Failure {
    if (!text.startsWith(word, at)) throw broken();
    at += word.length();
    return value;
  }

  private Object number() throws Failure {
    int from = at;
    while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
    String digits = text.substring(from, at);
    if (digits.isEmpty() || digits.length() > 30) throw broken();
    try {
      return Long.valueOf(digits);
    } catch (NumberFormatException notWhole) {
      try {
        return Double.valueOf(digits);
      } catch (NumberFormatException e) {
        throw broken();
      }
    }
  }

  private void blanks() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
  }

  private char peek() throws Failure {
    if (at >= text.length()) throw broken();
    return text.charAt(at);
  }

  private char next() throws Failure {
    char c = peek();
    at++;
    return c;
  }

  private void take(char wanted) throws Failure {
    if (next() != wanted) throw broken();
  }

  private static Failure broken() {
    return Failure.badRequest("The line is not JSON.");
  }

  // ---- writing --------------------------------------------------------------------------------------------------

  /** Appends {@code ,"name":} for text, or null. */
  static StringBuilder member(StringBuilder out, String name, String value) {
    out.append(",\"").append(name).append("\":");
    return quote(out, value);
  }

  static StringBuilder member(StringBuilder out, String name, long value) {
    return out.append(",\"").append(name).append("\":").append(value);
  }

  static StringBuilder member(StringBuilder out, String name, boolean value) {
    return out.append(",\"").append(name).append("\":").append(value);
  }

  /** Half a surrogate pair is no character, and would be no UTF-8 either. */
  static StringBuilder quote(StringBuilder out, String value) {
    if (value == null) return out.append("null");
    out.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c == '\n') {
        out.append("\\n");
      } else if (c < 0x20 || c == 0x7f) {
        out.append("\\u00").append(Character.forDigit(c >> 4, 16)).append(Character.forDigit(c & 15, 16));
      } else if (Character.isHighSurrogate(c) && i + 1 < value.length() && Character.isLowSurrogate(value.charAt(i + 1))) {
        out.append(c).append(value.charAt(++i));
      } else {
        out.append(Character.isSurrogate(c) ? '\ufffd' : c);
      }
    }
    return out.append('"');
  }
}
