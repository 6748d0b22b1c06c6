// Tests one-time codes that a person hands in with ibctl code.

import { describeCodesByHand } from '../support/code-scenarios.ts';

describeCodesByHand();
