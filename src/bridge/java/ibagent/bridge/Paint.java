// Owns pictures of windows: painted by the window itself, with everything secret painted over, as PNG.
package ibagent.bridge;

import java.awt.Color;
import java.awt.Component;
import java.awt.Graphics2D;
import java.awt.Window;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferInt;
import java.util.Base64;

final class Paint {
  private static final int MOST_PIXELS = 4_000_000;
  /** As base64 it still fits into a reply. */
  private static final int LONGEST_PNG = 2_800_000;

  private Paint() {}

  /** On the event thread; the picture is compressed elsewhere, and answers the request from there. */
  static void take(final Request request, Window window) throws Failure {
    int width = window.getWidth();
    int height = window.getHeight();
    if (width <= 0 || height <= 0) throw Failure.stale("The window has no size.");
    double scale = Math.min(1, Math.sqrt((double) MOST_PIXELS / ((double) width * height)));
    final int wide = Math.max(1, (int) (width * scale));
    final int high = Math.max(1, (int) (height * scale));
    BufferedImage image = new BufferedImage(wide, high, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    try {
      graphics.scale(scale, scale);
      graphics.setClip(0, 0, width, height);
      window.printAll(graphics);
    } finally {
      graphics.dispose();
    }
    Graphics2D cover = image.createGraphics();
    cover.scale(scale, scale);
    cover.setColor(Color.GRAY);
    coverMasked(window, cover, 0, 0, 0);
    cover.dispose();
    final int[] pixels = ((DataBufferInt) image.getRaster().getDataBuffer()).getData();
    request
        .server()
        .later(
            new Runnable() {
              @Override
              public void run() {
                answer(request, pixels, wide, high);
              }
            });
  }

  /** The dots of a password field tell its length. */
  private static void coverMasked(Component component, Graphics2D graphics, int x, int y, int depth) {
    if (depth > 200 || !component.isVisible()) return;
    if (Texts.masked(component)) graphics.fillRect(x, y, component.getWidth(), component.getHeight());
    if (!(component instanceof java.awt.Container)) return;
    for (Component child : ((java.awt.Container) component).getComponents()) {
      if (child != null) coverMasked(child, graphics, x + child.getX(), y + child.getY(), depth + 1);
    }
  }

  private static void answer(Request request, int[] pixels, int width, int height) {
    try {
      byte[] png = Png.encode(pixels, width, height);
      if (png.length > LONGEST_PNG) throw new Failure("too-large", "The picture would be too large.");
      StringBuilder body = new StringBuilder();
      Json.member(body, "width", width);
      Json.member(body, "height", height);
      request.server().succeed(request, Json.member(body, "png", Base64.getEncoder().encodeToString(png)).toString());
    } catch (Throwable problem) {
      request.server().fail(request, Failure.of(problem));
    }
  }
}
