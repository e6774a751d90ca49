// The guide's webhook sample, as it stands there, in an app that writes down what its wallet is told.
const crypto = require('crypto');
const express = require('express');

const app = express();
const note = (...what) => console.log(JSON.stringify(what));
const walletService = {
  credit: (player, amount) => note('credit', player, amount),
  refund: (player, amount) => note('refund', player, amount),
};

app.post('/pooled/webhook', express.raw({ type: 'application/json' }), (req, res) => {
  const sig = req.headers['x-pooled-signature'];
  const expected = crypto
    .createHmac('sha256', process.env.POOLED_WEBHOOK_SECRET)
    .update(req.body)
    .digest('hex');
  if (sig !== expected) {
    return res.status(401).json({ error: 'Invalid signature' });
  }
  const event = JSON.parse(req.body);
  switch (event.event) {
    case 'pool.win':
      walletService.credit(event.winner_id, event.amount);
      break;
    case 'pool.refund':
      walletService.refund(event.user_id, event.refund_amount);
      break;
    case 'pool.entry':
      break;
  }
  res.status(200).json({ received: true });
});

const server = app.listen(0, '127.0.0.1', () => note('port', server.address().port));
