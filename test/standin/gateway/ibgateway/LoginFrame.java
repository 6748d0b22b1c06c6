// The login window: API type, trading mode, user name, password, and one button.
package ibgateway;

import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.GridBagLayout;
import java.awt.GridLayout;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import java.util.Arrays;
import javax.swing.BorderFactory;
import javax.swing.ButtonGroup;
import javax.swing.JButton;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JPasswordField;
import javax.swing.JTextField;
import javax.swing.JToggleButton;

final class LoginFrame extends JFrame {
  /** What the person (or IBC) has filled in when the button is clicked. */
  interface Submit {
    void submit(String user, String password, boolean paper);
  }

  private final JTextField user = Look.field(20);
  private final JPasswordField password = Look.password(20);
  private final JToggleButton paper = Look.toggle("Paper Trading");
  private final JToggleButton live = Look.toggle("Live Trading");
  private final JButton button = Look.primary("Log In");
  private final JLabel note = Look.small(" ");
  private boolean busy;

  LoginFrame(Submit submit, Runnable exit) {
    super("IBKR Gateway");
    setIconImage(Look.icon());
    setDefaultCloseOperation(DO_NOTHING_ON_CLOSE);
    addWindowListener(
        new WindowAdapter() {
          @Override
          public void windowClosing(WindowEvent event) {
            exit.run();
          }
        });

    JToggleButton fix = Look.toggle("FIX CTCI");
    JToggleButton api = Look.toggle("IB API");
    group(fix, api);
    group(live, paper);
    fix.setSelected(true);
    live.setSelected(true);
    live.addItemListener(event -> rename());
    paper.addItemListener(event -> rename());

    JPanel form = new JPanel(new GridBagLayout());
    form.setBackground(Look.PAPER);
    form.setBorder(BorderFactory.createEmptyBorder(20, 28, 18, 28));
    int y = 0;
    form.add(Look.small("API Type"), Look.at(0, y++));
    form.add(pair(fix, api), Look.at(0, y++));
    form.add(Look.small("Trading Mode"), Look.at(0, y++));
    form.add(pair(live, paper), Look.at(0, y++));
    form.add(Look.small("Username"), Look.at(0, y++));
    form.add(user, Look.at(0, y++));
    form.add(Look.small("Password"), Look.at(0, y++));
    form.add(password, Look.at(0, y++));
    form.add(Look.pad(button, 10, 0, 0, 0), Look.at(0, y++));
    form.add(note, Look.at(0, y));

    setLayout(new BorderLayout());
    add(new Look.Banner("Interactive Brokers API and FIX"), BorderLayout.NORTH);
    add(form, BorderLayout.CENTER);
    getRootPane().setDefaultButton(button);
    button.addActionListener(
        event -> {
          if (busy) return;
          char[] typed = password.getPassword();
          submit.submit(user.getText(), new String(typed), paper.isSelected());
          Arrays.fill(typed, '\0');
        });
    Look.frame(this, false);
    pack();
    setSize(new Dimension(400, getHeight()));
    setResizable(false);
    setLocationRelativeTo(null);
  }

  private void rename() {
    button.setText(paper.isSelected() ? "Paper Log In" : "Log In");
  }

  /** While busy the fields are locked; the button stays, and a second click does nothing. */
  void busy(boolean now) {
    busy = now;
    user.setEnabled(!busy);
    password.setEnabled(!busy);
    note.setText(busy ? "Connecting to server..." : " ");
  }

  private static void group(JToggleButton... buttons) {
    ButtonGroup group = new ButtonGroup();
    for (JToggleButton each : buttons) group.add(each);
  }

  private static JPanel pair(JToggleButton left, JToggleButton right) {
    JPanel panel = new JPanel(new GridLayout(1, 2, 0, 0));
    panel.setOpaque(false);
    panel.add(left);
    panel.add(right);
    return panel;
  }
}
