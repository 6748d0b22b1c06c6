// The second-factor windows: push, code entry, and the list of devices, with the time the Gateway allows for them.
package ibgateway;

import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Font;
import java.awt.GridBagLayout;
import java.awt.Window;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import java.util.List;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JPanel;
import javax.swing.JProgressBar;
import javax.swing.JScrollPane;
import javax.swing.JTextField;
import javax.swing.ListSelectionModel;
import javax.swing.Timer;

final class SecondFactor {
  private static final String TITLE = "Second Factor Authentication";
  private static final String APP = "Enter Mobile Authenticator app code";
  private static final int REOPEN_MS = 500;
  /** Longer than whoever looks at the opening takes. */
  private static final int TITLE_MS = 300;

  /** How it ended. */
  interface Outcome {
    void accepted();

    /** Timed out or cancelled: the login does not go on. */
    void abandoned();
  }

  private final Scenario scenario;
  private final CodeCheck codes;
  private final Window owner;
  private final Outcome outcome;
  private final Timer limit;
  private Timer approval;
  private JDialog dialog;
  private boolean push;
  private boolean over;

  SecondFactor(Scenario scenario, CodeCheck codes, Window owner, Outcome outcome) {
    this.scenario = scenario;
    this.codes = codes;
    this.owner = owner;
    this.outcome = outcome;
    long timeout = scenario.millis("second.factor.timeout.ms", 180_000);
    limit = new Timer((int) Math.max(timeout, 0), event -> timeOut());
    limit.setRepeats(false);
    if (timeout != Scenario.NEVER) limit.start();
  }

  void open(String kind) {
    switch (kind) {
      case "push" -> openPush();
      case "totp" -> openCode(APP);
      case "sms" -> openCode("Enter the code that was sent to your mobile phone number by SMS");
      case "challenge" -> openCode("Open IB Key on your phone and type this challenge:", "427 931", "Enter the response shown there");
      case "passkey" -> openPasskey();
      case "devices" -> openDevices();
      default -> throw new IllegalArgumentException("second.factor '" + kind + "' is not one of none, push, totp, sms, challenge, passkey, devices");
    }
  }

  /** The person has approved the notification on the phone; false when none is pending. */
  boolean approve() {
    if (over || !push) return false;
    Console.say("second factor approved");
    end();
    outcome.accepted();
    return true;
  }

  /** Closes without an outcome, because the program goes down. */
  void discard() {
    if (!over) end();
  }

  private void timeOut() {
    if (over) return;
    Console.say("second factor timed out");
    end();
    outcome.abandoned();
  }

  private void cancel() {
    if (over) return;
    Console.say("second factor cancelled");
    end();
    outcome.abandoned();
  }

  private void end() {
    over = true;
    push = false;
    limit.stop();
    if (approval != null) approval.stop();
    if (dialog != null) dialog.dispose();
  }

  private void openPush() {
    push = true;
    JPanel middle = body();
    int y = 0;
    JPanel head = new JPanel(new FlowLayout(FlowLayout.CENTER, 0, 0));
    head.setOpaque(false);
    head.add(new Look.Sign("i", Look.HEAD));
    middle.add(head, Look.at(0, y++));
    middle.add(centre(Look.bold("Check your phone")), Look.at(0, y++));
    middle.add(centre(new JLabel("A notification has been sent to your IBKR Mobile app.")), Look.at(0, y++));
    middle.add(centre(new JLabel("Tap it to approve this login.")), Look.at(0, y++));
    JProgressBar bar = new JProgressBar();
    bar.setIndeterminate(true);
    bar.setBorderPainted(false);
    bar.setForeground(Look.RED);
    bar.setPreferredSize(new Dimension(320, 6));
    middle.add(Look.pad(bar, 10, 0, 4, 0), Look.at(0, y++));
    middle.add(centre(Look.small("Waiting for authentication...")), Look.at(0, y));
    JButton again = Look.button(scenario.text("push.resend.button", "Resend Notification"));
    again.addActionListener(event -> Console.say("second factor notification sent again"));
    show(middle, again, cancelButton());
    Console.say("second factor push sent");
    long after = scenario.millis("push.approve.after.ms", 1000);
    if (after != Scenario.NEVER) {
      approval = new Timer((int) after, event -> approve());
      approval.setRepeats(false);
      approval.start();
    }
  }

  private void openPasskey() {
    JPanel middle = body();
    middle.add(Look.paragraph("Use your Passkey to continue", 28), Look.at(0, 0));
    show(middle, cancelButton());
  }

  private void openCode(String... asks) {
    JPanel middle = body();
    JTextField field = Look.field(10);
    field.setFont(new Font(Font.MONOSPACED, Font.PLAIN, 20));
    field.setHorizontalAlignment(JTextField.CENTER);
    JLabel note = Look.centred(" ");
    note.setForeground(Look.RED);
    JButton ok = Look.primary("OK");
    int y = 0;
    middle.add(centre(Look.bold("Verify your identity")), Look.at(0, y++));
    for (String line : asks) middle.add(Look.centred(line), Look.at(0, y++));
    JPanel line = new JPanel(new FlowLayout(FlowLayout.CENTER, 0, 0));
    line.setOpaque(false);
    line.add(field);
    middle.add(Look.pad(line, 6, 0, 2, 0), Look.at(0, y++));
    middle.add(note, Look.at(0, y));
    ok.addActionListener(event -> check(field, note, asks));
    show(middle, ok, cancelButton());
    dialog.getRootPane().setDefaultButton(ok);
  }

  private void check(JTextField field, JLabel note, String... asks) {
    if (over) return;
    String code = field.getText().trim();
    CodeCheck.Verdict verdict = codes.judge(code);
    Console.say("second factor code " + verdict + (verdict.accepted() ? "" : " len=" + code.length()));
    if (verdict.accepted()) {
      end();
      outcome.accepted();
      return;
    }
    if (scenario.text("totp.reject", "same").equals("reopen")) {
      dialog.dispose();
      Timer reopen = new Timer(REOPEN_MS, event -> { if (!over) openCode(asks); });
      reopen.setRepeats(false);
      reopen.start();
    } else {
      note.setText("The code is not correct. Please try again.");
      field.setText("");
      field.requestFocusInWindow();
    }
  }

  private void openDevices() {
    JPanel middle = body();
    JList<String> list = new JList<>(scenario.text("devices", "IB Key,Mobile Authenticator app").split("\\s*,\\s*"));
    list.setSelectionMode(ListSelectionModel.SINGLE_SELECTION);
    list.setFixedCellHeight(26);
    list.setVisibleRowCount(4);
    JButton ok = Look.primary("OK");
    middle.add(Look.paragraph("Select second factor device", 28), Look.at(0, 0));
    middle.add(new JScrollPane(list), Look.at(0, 1));
    ok.addActionListener(
        event -> {
          String device = list.getSelectedValue();
          if (over || device == null) return;
          Console.say("second factor device selected: " + device);
          dialog.dispose();
          if (device.equals("IB Key")) openPush();
          else openCode(APP);
        });
    show(middle, ok, cancelButton());
    dialog.getRootPane().setDefaultButton(ok);
  }

  private JButton cancelButton() {
    JButton cancel = Look.button("Cancel");
    cancel.addActionListener(event -> cancel());
    return cancel;
  }

  private void show(JPanel middle, JButton... buttons) {
    dialog = Dialogs.frame(owner, TITLE);
    JPanel row = new JPanel(new FlowLayout(FlowLayout.RIGHT, 10, 12));
    row.setBorder(BorderFactory.createMatteBorder(1, 0, 0, 0, Look.LINE));
    for (JButton button : List.of(buttons)) row.add(button);
    dialog.add(middle, BorderLayout.CENTER);
    dialog.add(row, BorderLayout.SOUTH);
    dialog.setMinimumSize(new Dimension(420, 0));
    if (scenario.yes("second.factor.late.title", false)) {
      JDialog untitled = dialog;
      untitled.setTitle("");
      Timer title = new Timer(TITLE_MS, event -> untitled.setTitle(TITLE));
      title.setRepeats(false);
      untitled.addWindowListener(
          new WindowAdapter() {
            @Override
            public void windowOpened(WindowEvent event) {
              title.start();
            }
          });
    }
    Dialogs.open(dialog);
  }

  private static JPanel body() {
    JPanel middle = new JPanel(new GridBagLayout());
    middle.setBackground(Look.PAPER);
    middle.setBorder(BorderFactory.createEmptyBorder(22, 32, 16, 32));
    return middle;
  }

  private static JLabel centre(JLabel label) {
    label.setHorizontalAlignment(JLabel.CENTER);
    return label;
  }
}
