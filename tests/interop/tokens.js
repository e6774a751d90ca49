// The guide's token sample: "sign" makes the token of a player, "verify" tells what is in one. JSON in, JSON out.
const fs = require('fs');
const jwt = require('jsonwebtoken');

function getPooledToken(player) {
  return jwt.sign(
    {
      sub: player.id,
      name: player.displayName,
      balance: player.walletUSD,
      currency: player.currency,
      verified: player.kycPassed,
      exp: Math.floor(Date.now() / 1000) + 3600,
    },
    process.env.POOLED_JWT_SECRET,
    { algorithm: 'HS256' }
  );
}

function verify(token) {
  try {
    return jwt.verify(token, process.env.POOLED_JWT_SECRET, { algorithms: ['HS256'], complete: true });
  } catch (error) {
    return { error: error.message };
  }
}

const given = JSON.parse(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify(process.argv[2] === 'sign' ? getPooledToken(given) : verify(given)));
