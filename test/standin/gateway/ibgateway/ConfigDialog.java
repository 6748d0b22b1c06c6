// The configuration dialog: a tree on the left, one card per node on the right, kept in the user's settings.
package ibgateway;

import java.awt.BorderLayout;
import java.awt.CardLayout;
import java.awt.Component;
import java.awt.Dialog;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Window;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.swing.BorderFactory;
import javax.swing.Box;
import javax.swing.BoxLayout;
import javax.swing.ButtonGroup;
import javax.swing.JButton;
import javax.swing.JCheckBox;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JRadioButton;
import javax.swing.JScrollPane;
import javax.swing.JTextField;
import javax.swing.JTree;
import javax.swing.tree.DefaultMutableTreeNode;
import javax.swing.tree.DefaultTreeModel;

final class ConfigDialog extends JDialog {
  static final String PORT = "api.port";
  static final String MASTER = "api.master.client.id";
  static final String READ_ONLY = "api.read.only";
  static final String LOTS = "api.market.data.in.lots";
  static final String AUTO_ACTION = "auto.action";
  static final String AUTO_TIME = "auto.time";
  static final String RESTART = "restart";
  static final String LOGOFF = "logoff";
  static final String DEFAULT_TIME = "11:45 PM";

  private static final List<String> PRECAUTIONS =
      List.of(
          "Bypass Order Precautions for API Orders",
          "Bypass Bond warning for API Orders.",
          "Bypass negative yield to worst confirmation for API Orders.",
          "Bypass Called Bond warning for API Orders",
          "Bypass \"same action pair trade\" warning for API orders.",
          "Bypass price-based volatility risk warning for API Orders.",
          "Bypass US Stocks market data in shares warning for API Orders",
          "Bypass Redirect Order warning for Stock API Orders",
          "Bypass No Overfill Protection precaution for destinations where implied natively.");

  private final UserSettings settings;
  private final JTextField port = Look.field(8);
  private final JTextField master = Look.field(8);
  private final JCheckBox readOnly = new JCheckBox("Read-Only API");
  private final JCheckBox lots =
      new JCheckBox("Send market data in lots for US stocks for dual-mode API clients");
  private final JTextField time = Look.field(6);
  private final JRadioButton morning = new JRadioButton("AM");
  private final JRadioButton evening = new JRadioButton("PM");
  private final JRadioButton restart = new JRadioButton("Auto restart");
  private final JRadioButton logoff = new JRadioButton("Auto logoff");
  private final JLabel timeLabel = new JLabel();
  private final Map<String, JCheckBox> precautions = new LinkedHashMap<>();

  /** applied runs after the values have been saved; timeTouched says whether automatic restart or logoff changed. */
  interface Applied {
    void applied(boolean timeTouched);
  }

  ConfigDialog(Window owner, UserSettings settings, int apiPort, Applied applied, Runnable resetOrderIds) {
    super(owner, "IBKR Gateway Configuration", Dialog.ModalityType.MODELESS);
    this.settings = settings;
    setDefaultCloseOperation(DISPOSE_ON_CLOSE);
    setIconImage(Look.icon());

    CardLayout layout = new CardLayout();
    JPanel cards = new JPanel(layout);
    cards.add(apiCard(resetOrderIds), "Settings");
    cards.add(precautionsCard(), "Precautions");
    cards.add(lockCard(), "Lock and Exit");

    JTree tree = tree();
    tree.addTreeSelectionListener(event -> layout.show(cards, event.getPath().getLastPathComponent().toString()));
    JScrollPane left = new JScrollPane(tree);
    left.setPreferredSize(new Dimension(170, 360));

    JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, 10, 12));
    JButton ok = Look.primary("OK");
    JButton cancel = Look.button("Cancel");
    buttons.add(ok);
    buttons.add(cancel);
    ok.addActionListener(
        event -> {
          boolean touched = apply();
          dispose();
          applied.applied(touched);
        });
    cancel.addActionListener(event -> dispose());
    getRootPane().setDefaultButton(ok);

    JPanel body = new JPanel(new BorderLayout(12, 0));
    body.setBorder(BorderFactory.createEmptyBorder(14, 14, 0, 14));
    body.add(left, BorderLayout.WEST);
    body.add(cards, BorderLayout.CENTER);
    add(body, BorderLayout.CENTER);
    add(buttons, BorderLayout.SOUTH);
    Look.frame(this, true);
    fill(apiPort);
    setSize(new Dimension(820, 500));
    setLocationRelativeTo(null);
  }

  private static JTree tree() {
    DefaultMutableTreeNode root = new DefaultMutableTreeNode("Configuration");
    DefaultMutableTreeNode api = new DefaultMutableTreeNode("API");
    api.add(new DefaultMutableTreeNode("Settings"));
    api.add(new DefaultMutableTreeNode("Precautions"));
    root.add(api);
    root.add(new DefaultMutableTreeNode("Lock and Exit"));
    JTree tree = new JTree(new DefaultTreeModel(root));
    for (int i = 0; i < tree.getRowCount(); i++) tree.expandRow(i);
    tree.setSelectionRow(2);
    tree.setRowHeight(24);
    tree.setBorder(BorderFactory.createEmptyBorder(6, 6, 6, 6));
    return tree;
  }

  private JPanel apiCard(Runnable resetOrderIds) {
    JPanel card = card("API", "Settings");
    card.add(named("Socket port", port));
    card.add(named("Master API client ID", master));
    card.add(left(readOnly));
    card.add(left(lots));
    JButton reset = Look.button("Reset API order ID sequence");
    reset.addActionListener(event -> resetOrderIds.run());
    card.add(Box.createVerticalStrut(10));
    card.add(left(reset));
    return card;
  }

  private JPanel precautionsCard() {
    JPanel card = card("API", "Precautions");
    for (String name : PRECAUTIONS) {
      JCheckBox box = new JCheckBox(name);
      precautions.put(name, box);
      card.add(left(box));
    }
    return card;
  }

  private JPanel lockCard() {
    JPanel card = card("Lock and Exit", "Automatic restart or logoff");
    ButtonGroup half = new ButtonGroup();
    half.add(morning);
    half.add(evening);
    ButtonGroup action = new ButtonGroup();
    action.add(restart);
    action.add(logoff);
    restart.addItemListener(event -> nameTime());
    // The label sits one panel deeper than the fields: IBC looks for them from the label's grandparent.
    JPanel caption = new JPanel(new FlowLayout(FlowLayout.LEFT, 0, 0));
    caption.setOpaque(false);
    caption.add(timeLabel);
    JPanel when = new JPanel(new FlowLayout(FlowLayout.LEFT, 8, 4));
    when.setOpaque(false);
    when.add(caption);
    when.add(time);
    when.add(morning);
    when.add(evening);
    when.add(restart);
    when.add(logoff);
    when.setPreferredSize(new Dimension(500, 90));
    when.setMaximumSize(new Dimension(520, 90));
    card.add(left(when));
    card.add(left(Look.small("<html><div style='width:340px'>Auto restart keeps the session for the week without signing in again.</div></html>")));
    return card;
  }

  private void nameTime() {
    timeLabel.setText(restart.isSelected() ? "Set Auto Restart Time (HH:MM)" : "Set Auto Log Off Time (HH:MM)");
  }

  private void fill(int apiPort) {
    port.setText(Integer.toString(apiPort));
    master.setText(settings.get(MASTER, ""));
    readOnly.setSelected(settings.get(READ_ONLY, "true").equals("true"));
    lots.setSelected(settings.get(LOTS, "false").equals("true"));
    for (Map.Entry<String, JCheckBox> box : precautions.entrySet()) {
      box.getValue().setSelected(settings.get("precaution." + box.getKey(), "false").equals("true"));
    }
    String set = settings.get(AUTO_TIME, DEFAULT_TIME);
    time.setText(set.substring(0, 5));
    (set.endsWith("AM") ? morning : evening).setSelected(true);
    (settings.get(AUTO_ACTION, LOGOFF).equals(RESTART) ? restart : logoff).setSelected(true);
    nameTime();
  }

  /** Saves what is shown; a port or time that cannot be one stays as it was. */
  private boolean apply() {
    String number = port.getText().trim();
    if (number.matches("\\d{1,5}") && Integer.parseInt(number) > 0 && Integer.parseInt(number) < 65536) {
      settings.put(PORT, number);
    }
    settings.put(MASTER, master.getText().trim());
    settings.put(READ_ONLY, Boolean.toString(readOnly.isSelected()));
    settings.put(LOTS, Boolean.toString(lots.isSelected()));
    for (Map.Entry<String, JCheckBox> box : precautions.entrySet()) {
      settings.put("precaution." + box.getKey(), Boolean.toString(box.getValue().isSelected()));
    }
    String oldAction = settings.get(AUTO_ACTION, LOGOFF);
    String oldTime = settings.get(AUTO_TIME, DEFAULT_TIME);
    String newAction = restart.isSelected() ? RESTART : LOGOFF;
    String newTime = oldTime;
    String typed = time.getText().trim();
    if (typed.matches("(0[1-9]|1[0-2]):[0-5]\\d")) newTime = typed + (morning.isSelected() ? " AM" : " PM");
    boolean touched = !newAction.equals(oldAction) || !newTime.equals(oldTime);
    if (touched) {
      settings.put(AUTO_ACTION, newAction);
      settings.put(AUTO_TIME, newTime);
    }
    settings.save();
    return touched;
  }

  private static JPanel card(String group, String name) {
    JPanel card = new JPanel();
    card.setLayout(new BoxLayout(card, BoxLayout.Y_AXIS));
    card.setBackground(Look.PAPER);
    card.setBorder(
        BorderFactory.createCompoundBorder(
            BorderFactory.createLineBorder(Look.LINE), BorderFactory.createEmptyBorder(14, 18, 14, 18)));
    card.add(left(Look.small(group)));
    card.add(left(Look.bold(name)));
    card.add(Box.createVerticalStrut(12));
    return card;
  }

  private static JPanel named(String name, JTextField field) {
    JPanel panel = new JPanel(new FlowLayout(FlowLayout.LEFT, 0, 4));
    panel.setName(name);
    panel.setOpaque(false);
    JLabel label = new JLabel(name);
    label.setPreferredSize(new Dimension(190, 28));
    panel.add(label);
    panel.add(field);
    panel.setMaximumSize(new Dimension(520, 40));
    panel.setAlignmentX(Component.LEFT_ALIGNMENT);
    return panel;
  }

  private static <T extends javax.swing.JComponent> T left(T part) {
    part.setAlignmentX(Component.LEFT_ALIGNMENT);
    return part;
  }
}
