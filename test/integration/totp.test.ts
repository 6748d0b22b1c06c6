// Tests logins whose one-time code ib-code makes and types: with a good seed, a wrong one, none, and when something goes wrong in between.

import { describeTotp } from '../support/totp-scenarios.ts';

describeTotp();
