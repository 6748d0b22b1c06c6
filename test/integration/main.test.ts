// Runs the main scenarios on the stand-in IBC.

import { describeMainScenarios } from '../support/main-scenarios.ts';

describeMainScenarios();
