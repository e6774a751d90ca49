// The guide's webhook sample, without a wallet.
const crypto = require('crypto');
const express = require('express');

const app = express();

app.post('/pooled/webhook', express.raw({ type: 'application/json' }), (req, res) => {
  const sig = req.headers['x-pooled-signature'];
  const expected = crypto
    .createHmac('sha256', process.env.POOLED_WEBHOOK_SECRET)
    .update(req.body)
    .digest('hex');
  if (sig !== expected) {
    return res.status(401).json({ error: 'Invalid signature' });
  }
  JSON.parse(req.body);
  res.status(200).json({ received: true });
});

app.listen(Number(process.env.PORT), '127.0.0.1');
