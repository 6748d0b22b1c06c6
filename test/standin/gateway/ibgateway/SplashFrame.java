// The small window that shows how far a login has come; its title carries the step, as the real one's does.
package ibgateway;

import java.awt.BorderLayout;
import java.awt.Dimension;
import javax.swing.BorderFactory;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JProgressBar;

final class SplashFrame extends JFrame {
  private final JLabel step = new JLabel(" ");

  SplashFrame(String first) {
    setIconImage(Look.icon());
    setDefaultCloseOperation(DO_NOTHING_ON_CLOSE);
    setLayout(new BorderLayout());
    add(new Look.Banner("Interactive Brokers API and FIX"), BorderLayout.NORTH);
    JPanel lower = new JPanel(new BorderLayout(0, 10));
    lower.setBackground(Look.PAPER);
    lower.setBorder(BorderFactory.createEmptyBorder(18, 24, 20, 24));
    JProgressBar bar = new JProgressBar();
    bar.setIndeterminate(true);
    bar.setPreferredSize(new Dimension(330, 8));
    bar.setBorderPainted(false);
    bar.setForeground(Look.RED);
    lower.add(step, BorderLayout.NORTH);
    lower.add(bar, BorderLayout.SOUTH);
    add(lower, BorderLayout.CENTER);
    show(first);
    Look.frame(this, false);
    pack();
    setResizable(false);
    setLocationRelativeTo(null);
  }

  /** Sets title and text together. */
  void show(String text) {
    setTitle(text);
    step.setText(text);
  }
}
