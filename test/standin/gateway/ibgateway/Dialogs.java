// The dialogs that say one thing and offer a few buttons.
package ibgateway;

import java.awt.BorderLayout;
import java.awt.Color;
import java.awt.Component;
import java.awt.Dialog;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Window;
import java.util.List;
import java.util.function.Consumer;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JProgressBar;
import javax.swing.SwingUtilities;

final class Dialogs {
  /** Up to this length a label stays plain text: IBC compares how some of them begin. */
  private static final int ONE_LINE = 64;

  private Dialogs() {}

  /** How the text is held: IBC tells some dialogs by a label, others by a text area. */
  enum Text {
    LABEL,
    AREA
  }

  static JDialog message(
      Window owner, String title, Text kind, String text, Color colour, List<String> buttons, Consumer<String> chosen) {
    JDialog dialog = frame(owner, title);
    Component words =
        kind == Text.AREA
            ? Look.paragraph(text, 34)
            : new JLabel(text.length() <= ONE_LINE ? text : "<html><div style='width:300px'>" + escape(text) + "</div></html>");
    JPanel middle = new JPanel(new BorderLayout(16, 0));
    middle.setBackground(Look.PAPER);
    middle.setBorder(BorderFactory.createEmptyBorder(22, 24, 22, 24));
    JPanel sign = new JPanel(new FlowLayout(FlowLayout.CENTER, 0, 0));
    sign.setOpaque(false);
    sign.add(new Look.Sign(colour == Look.HEAD ? "i" : "!", colour));
    middle.add(sign, BorderLayout.WEST);
    middle.add(words, BorderLayout.CENTER);
    dialog.add(middle, BorderLayout.CENTER);
    dialog.add(buttonRow(dialog, buttons, chosen), BorderLayout.SOUTH);
    return dialog;
  }

  static JDialog progress(Window owner, String title, String text) {
    JDialog dialog = frame(owner, title);
    dialog.setModalityType(Dialog.ModalityType.MODELESS);
    JPanel middle = new JPanel(new BorderLayout(0, 12));
    middle.setBackground(Look.PAPER);
    middle.setBorder(BorderFactory.createEmptyBorder(22, 24, 24, 24));
    JProgressBar bar = new JProgressBar();
    bar.setIndeterminate(true);
    bar.setPreferredSize(new Dimension(300, 8));
    bar.setBorderPainted(false);
    bar.setForeground(Look.RED);
    middle.add(new JLabel(text), BorderLayout.NORTH);
    middle.add(bar, BorderLayout.SOUTH);
    dialog.add(middle);
    return dialog;
  }

  static JDialog frame(Window owner, String title) {
    JDialog dialog = new JDialog(owner, title, Dialog.ModalityType.APPLICATION_MODAL);
    dialog.setDefaultCloseOperation(JDialog.DO_NOTHING_ON_CLOSE);
    dialog.setIconImage(Look.icon());
    dialog.setLayout(new BorderLayout());
    Look.frame(dialog, true);
    return dialog;
  }

  /** The chosen button's text is handed on after the dialog has gone. */
  static JPanel buttonRow(JDialog dialog, List<String> names, Consumer<String> chosen) {
    JPanel panel = new JPanel(new FlowLayout(FlowLayout.RIGHT, 10, 12));
    panel.setBorder(BorderFactory.createMatteBorder(1, 0, 0, 0, Look.LINE));
    boolean first = true;
    for (String name : names) {
      JButton button = first ? Look.primary(name) : Look.button(name);
      if (first) dialog.getRootPane().setDefaultButton(button);
      first = false;
      button.addActionListener(
          event -> {
            dialog.dispose();
            SwingUtilities.invokeLater(() -> chosen.accept(name));
          });
      panel.add(button);
    }
    return panel;
  }

  /** Shows the dialog without waiting for it: a modal one would hold up whoever calls. */
  static JDialog open(JDialog dialog) {
    dialog.pack();
    dialog.setResizable(false);
    dialog.setLocationRelativeTo(null);
    SwingUtilities.invokeLater(() -> dialog.setVisible(true));
    return dialog;
  }

  static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>");
  }
}
