<?php
// The guide's webhook sample, as it stands there, with a wallet that writes down what it is told.
function note(...$what) { file_put_contents('php://stderr', 'WALLET ' . json_encode($what) . "\n"); }
function creditWallet($player, $amount) { note('credit', $player, $amount); }
function refundWallet($player, $amount) { note('refund', $player, $amount); }

$body = file_get_contents('php://input');
$sig = $_SERVER['HTTP_X_POOLED_SIGNATURE'] ?? '';
$secret = getenv('POOLED_WEBHOOK_SECRET');
$expected = hash_hmac('sha256', $body, $secret);

if (!hash_equals($expected, $sig)) {
  http_response_code(401);
  exit('Invalid signature');
}

$event = json_decode($body, true);

if ($event['event'] === 'pool.win') {
  creditWallet($event['winner_id'], $event['amount']);
}
if ($event['event'] === 'pool.refund') {
  refundWallet($event['user_id'], $event['refund_amount']);
}

http_response_code(200);
echo json_encode(['received' => true]);
