// Fonts, colours and the few drawn parts that make the stand-in look like one desktop program.
package ibgateway;

import java.awt.BasicStroke;
import java.awt.BorderLayout;
import java.awt.Color;
import java.awt.Component;
import java.awt.Dialog;
import java.awt.Dimension;
import java.awt.Font;
import java.awt.Graphics;
import java.awt.Graphics2D;
import java.awt.GridBagConstraints;
import java.awt.Insets;
import java.awt.RenderingHints;
import java.awt.geom.Path2D;
import java.awt.image.BufferedImage;
import java.util.List;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JComponent;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JPasswordField;
import javax.swing.JTextArea;
import javax.swing.JTextField;
import javax.swing.JToggleButton;
import javax.swing.RootPaneContainer;
import javax.swing.SwingConstants;
import javax.swing.UIManager;
import javax.swing.plaf.ColorUIResource;
import javax.swing.plaf.FontUIResource;

final class Look {
  static final Color RED = new Color(0xD8, 0x12, 0x22);
  static final Color INK = new Color(0x22, 0x2B, 0x36);
  static final Color GREY = new Color(0x6B, 0x75, 0x82);
  static final Color LINE = new Color(0xCB, 0xD2, 0xDA);
  static final Color PAPER = Color.WHITE;
  static final Color BACK = new Color(0xF3, 0xF5, 0xF7);
  static final Color HEAD = new Color(0x1B, 0x24, 0x30);
  static final Color GREEN = new Color(0x1E, 0x8E, 0x4A);
  static final Color AMBER = new Color(0xC7, 0x7B, 0x00);

  private Look() {}

  static void install() {
    FontUIResource plain = new FontUIResource(Font.SANS_SERIF, Font.PLAIN, 13);
    for (Object key : List.copyOf(UIManager.getLookAndFeelDefaults().keySet())) {
      if (key.toString().endsWith(".font")) UIManager.put(key, plain);
    }
    UIManager.put("Panel.background", new ColorUIResource(BACK));
    UIManager.put("OptionPane.background", new ColorUIResource(BACK));
    UIManager.put("RootPane.background", new ColorUIResource(BACK));
    UIManager.put("Label.foreground", new ColorUIResource(INK));
    UIManager.put("CheckBox.background", new ColorUIResource(PAPER));
    UIManager.put("RadioButton.background", new ColorUIResource(PAPER));
    UIManager.put("MenuBar.background", new ColorUIResource(BACK));
    UIManager.put("MenuBar.border", BorderFactory.createMatteBorder(0, 0, 1, 0, LINE));
    UIManager.put("Menu.background", new ColorUIResource(BACK));
    UIManager.put("MenuItem.background", new ColorUIResource(PAPER));
    UIManager.put("ScrollPane.border", BorderFactory.createLineBorder(LINE));
    UIManager.put("swing.boldMetal", Boolean.FALSE);
    // Without a desktop there are no font settings to inherit, and text would be drawn with jagged edges.
    UIManager.put(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
  }

  static BufferedImage icon() {
    BufferedImage image = new BufferedImage(32, 32, BufferedImage.TYPE_INT_ARGB);
    Graphics2D g = image.createGraphics();
    drawMark(g, 4, 2, 28);
    g.dispose();
    return image;
  }

  /** A slanted double stroke with a dot: the program's mark, of our own drawing. */
  static void drawMark(Graphics2D g, int x, int y, int size) {
    g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    Path2D stroke = new Path2D.Double();
    stroke.moveTo(x + size * 0.10, y + size);
    stroke.lineTo(x + size * 0.55, y);
    stroke.lineTo(x + size * 0.55, y + size);
    stroke.closePath();
    g.setColor(RED);
    g.fill(stroke);
    g.setColor(new Color(0xF0, 0x6A, 0x74));
    Path2D second = new Path2D.Double();
    second.moveTo(x + size * 0.55, y);
    second.lineTo(x + size * 0.80, y + size);
    second.lineTo(x + size * 0.55, y + size);
    second.closePath();
    g.fill(second);
    g.setColor(RED);
    g.fillOval((int) (x + size * 0.66), (int) (y + size * 0.08), (int) (size * 0.22), (int) (size * 0.22));
  }

  /** The dark band with mark and name at the top of a window. */
  static final class Banner extends JComponent {
    private final String second;

    Banner(String second) {
      this.second = second;
      setPreferredSize(new Dimension(380, 84));
    }

    @Override
    protected void paintComponent(Graphics graphics) {
      Graphics2D g = (Graphics2D) graphics.create();
      g.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      g.setColor(HEAD);
      g.fillRect(0, 0, getWidth(), getHeight());
      g.setColor(RED);
      g.fillRect(0, getHeight() - 3, getWidth(), 3);
      drawMark(g, 24, 22, 38);
      g.setColor(Color.WHITE);
      g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 20));
      g.drawString("IBKR", 76, 42);
      g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 20));
      g.drawString("GATEWAY", 134, 42);
      g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
      g.setColor(new Color(0xA9, 0xB4, 0xC0));
      g.drawString(second, 76, 61);
      g.dispose();
    }
  }

  /**
   * Edge and title of a window, drawn in the window itself: on a display without a window manager nothing else shows
   * either. The strip is painted, not a label, so that nobody reads the title as text of the dialog.
   */
  static void frame(RootPaneContainer window, boolean withTitle) {
    window.getRootPane().setBorder(BorderFactory.createLineBorder(HEAD, 1));
    if (withTitle) window.getContentPane().add(new TitleStrip((Dialog) window), BorderLayout.NORTH);
  }

  private static final class TitleStrip extends JComponent {
    private final Dialog window;

    TitleStrip(Dialog window) {
      this.window = window;
      setPreferredSize(new Dimension(220, 30));
    }

    @Override
    protected void paintComponent(Graphics graphics) {
      Graphics2D g = (Graphics2D) graphics.create();
      g.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      g.setColor(HEAD);
      g.fillRect(0, 0, getWidth(), getHeight());
      drawMark(g, 10, 8, 14);
      g.setColor(Color.WHITE);
      g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
      g.drawString(window.getTitle(), 34, 20);
      g.dispose();
    }
  }

  static JButton button(String text) {
    return flat(new JButton(text), PAPER, INK);
  }

  static JButton primary(String text) {
    return flat(new JButton(text), RED, Color.WHITE);
  }

  private static JButton flat(JButton button, Color back, Color front) {
    button.setBackground(back);
    button.setForeground(front);
    button.setFocusPainted(false);
    button.setContentAreaFilled(true);
    button.setBorder(
        BorderFactory.createCompoundBorder(
            BorderFactory.createLineBorder(back == PAPER ? LINE : back.darker()),
            BorderFactory.createEmptyBorder(7, 18, 7, 18)));
    button.putClientProperty("JButton.buttonType", "flat");
    button.setUI(new javax.swing.plaf.basic.BasicButtonUI());
    return button;
  }

  static JToggleButton toggle(String text) {
    JToggleButton button =
        new JToggleButton(text) {
          @Override
          protected void paintComponent(Graphics g) {
            setBackground(isSelected() ? HEAD : PAPER);
            setForeground(isSelected() ? Color.WHITE : INK);
            super.paintComponent(g);
          }
        };
    button.setUI(new javax.swing.plaf.basic.BasicToggleButtonUI() {
      @Override
      protected void paintButtonPressed(Graphics g, javax.swing.AbstractButton b) {
        g.setColor(HEAD);
        g.fillRect(0, 0, b.getWidth(), b.getHeight());
      }
    });
    button.setFocusPainted(false);
    button.setBorder(
        BorderFactory.createCompoundBorder(
            BorderFactory.createLineBorder(LINE), BorderFactory.createEmptyBorder(7, 10, 7, 10)));
    return button;
  }

  static JTextField field(int columns) {
    return framed(new JTextField(columns));
  }

  static JPasswordField password(int columns) {
    return framed(new JPasswordField(columns));
  }

  private static <T extends JTextField> T framed(T field) {
    field.setDisabledTextColor(GREY);
    field.setBorder(
        BorderFactory.createCompoundBorder(
            BorderFactory.createLineBorder(LINE), BorderFactory.createEmptyBorder(6, 8, 6, 8)));
    return field;
  }

  static JLabel small(String text) {
    JLabel label = new JLabel(text);
    label.setForeground(GREY);
    label.setFont(label.getFont().deriveFont(12f));
    return label;
  }

  static JLabel bold(String text) {
    JLabel label = new JLabel(text);
    label.setFont(label.getFont().deriveFont(Font.BOLD, 15f));
    return label;
  }

  /** Read-only text that wraps; IBC finds some dialogs by such an area. */
  static JTextArea paragraph(String text, int columns) {
    JTextArea area = new JTextArea(text);
    area.setColumns(columns);
    area.setLineWrap(true);
    area.setWrapStyleWord(true);
    area.setEditable(false);
    area.setFocusable(false);
    area.setOpaque(false);
    area.setForeground(INK);
    return area;
  }

  static JPanel row(Component... parts) {
    JPanel panel = new JPanel(new java.awt.FlowLayout(java.awt.FlowLayout.CENTER, 10, 0));
    panel.setOpaque(false);
    for (Component part : parts) panel.add(part);
    return panel;
  }

  static JPanel pad(Component inner, int top, int left, int bottom, int right) {
    JPanel panel = new JPanel(new BorderLayout());
    panel.setOpaque(false);
    panel.setBorder(BorderFactory.createEmptyBorder(top, left, bottom, right));
    panel.add(inner);
    return panel;
  }

  static GridBagConstraints at(int x, int y) {
    GridBagConstraints place = new GridBagConstraints();
    place.gridx = x;
    place.gridy = y;
    place.fill = GridBagConstraints.HORIZONTAL;
    place.weightx = 1;
    place.insets = new Insets(0, 0, 8, 0);
    return place;
  }

  /** A round sign with an exclamation mark, an i or a tick. */
  static final class Sign extends JComponent {
    private final String text;
    private final Color colour;

    Sign(String text, Color colour) {
      this.text = text;
      this.colour = colour;
      setPreferredSize(new Dimension(40, 40));
    }

    @Override
    protected void paintComponent(Graphics graphics) {
      Graphics2D g = (Graphics2D) graphics.create();
      g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      g.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      g.setColor(colour);
      g.setStroke(new BasicStroke(2.5f));
      g.drawOval(3, 3, 33, 33);
      g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 20));
      int width = g.getFontMetrics().stringWidth(text);
      g.drawString(text, 20 - width / 2, 27);
      g.dispose();
    }
  }

  static JLabel centred(String text) {
    JLabel label = new JLabel(text);
    label.setHorizontalAlignment(SwingConstants.CENTER);
    return label;
  }
}
