// Owns the PNG format, as far as an opaque picture needs it: javax.imageio would look for plug-ins all over the program's class path.
package ibagent.bridge;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;

final class Png {
  private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  private static final byte EIGHT_BITS = 8;
  private static final byte TRUE_COLOUR = 2;
  private static final byte FILTER_UP = 2;

  private Png() {}

  /** @param pixels 0xRRGGBB, row by row */
  static byte[] encode(int[] pixels, int width, int height) throws IOException {
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    Deflater deflater = new Deflater(Deflater.DEFAULT_COMPRESSION);
    try (DeflaterOutputStream zip = new DeflaterOutputStream(data, deflater)) {
      byte[] row = new byte[1 + width * 3];
      row[0] = FILTER_UP;
      for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
          int rgb = pixels[y * width + x];
          int above = y == 0 ? 0 : pixels[(y - 1) * width + x];
          int at = 1 + x * 3;
          row[at] = (byte) ((rgb >> 16) - (above >> 16));
          row[at + 1] = (byte) ((rgb >> 8) - (above >> 8));
          row[at + 2] = (byte) (rgb - above);
        }
        zip.write(row);
      }
    } finally {
      deflater.end();
    }
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    DataOutputStream numbers = new DataOutputStream(head);
    numbers.writeInt(width);
    numbers.writeInt(height);
    numbers.write(new byte[] {EIGHT_BITS, TRUE_COLOUR, 0, 0, 0});
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    png.write(SIGNATURE);
    chunk(png, "IHDR", head.toByteArray());
    chunk(png, "IDAT", data.toByteArray());
    chunk(png, "IEND", new byte[0]);
    return png.toByteArray();
  }

  private static void chunk(ByteArrayOutputStream png, String type, byte[] data) throws IOException {
    byte[] name = type.getBytes(StandardCharsets.US_ASCII);
    CRC32 check = new CRC32();
    check.update(name);
    check.update(data);
    DataOutputStream out = new DataOutputStream(png);
    out.writeInt(data.length);
    out.write(name);
    out.write(data);
    out.writeInt((int) check.getValue());
  }
}
