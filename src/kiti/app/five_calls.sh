# --- five calls, ready to paste ---
BASE=@BASE@
JOB_SECRET_KEY='@JOB_SECRET_KEY@'
field() { sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'; }
post() { curl -s -X POST "$BASE$1" -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" -d "$2"; }
TOKEN=
TOKEN=$(curl -s "$BASE/api/auth/login" -H 'content-type: application/json' -d '{"email":"@EMAIL@","password":"@PASSWORD@"}' | field accessToken)
FROM=$(curl -s "$BASE/api/stops?q=@FROM@&limit=1" | field id)
TO=$(curl -s "$BASE/api/stops?q=@TO@&limit=1" | field id)
TRIP=$(curl -s "$BASE/api/trips?from=$FROM&to=$TO&date=@DATE@&passengers=2&limit=1" | sed -n 's/^{"items":\[{"id":"\([^"]*\).*/\1/p')
FREE=$(curl -s "$BASE/api/bookings/reserve?tripId=$TRIP" | tr '{' '\n' | sed -n 's/^"seatNumber":"\([^"]*\).*"AVAILABLE".*/\1/p')
SEATS=$(printf '%s\n' "$FREE" | sed -n '1s/.*/"&"/p;2s/.*/,"&"/p' | tr -d '\n')

# 1. Hold two seats
BOOKED=$(post /api/bookings/reserve '{"tripId": "'"$TRIP"'", "seatNumbers": ['"$SEATS"'], "holdDurationMinutes": 15}')
printf '%s\n' "$BOOKED"
BOOKING=$(printf %s "$BOOKED" | field bookingId)
AMOUNT=$(printf %s "$BOOKED" | field amount)

# 2. See what is left
curl -s "$BASE/api/bookings/reserve?tripId=$TRIP" | cut -c 1-400

# 3. Begin to pay; then pay on the simulated gateway's page, as the passenger would
PAYMENT=$(post /api/payments/initiate '{"bookingId": "'"$BOOKING"'", "amount": '"$AMOUNT"', "paymentMethod": "CARD", "idempotencyKey": "'"$BOOKING"'"}')
printf '%s\n' "$PAYMENT"
TRANSACTION=$(printf %s "$PAYMENT" | field transactionId)
curl -s -o /dev/null -X POST "$(printf %s "$PAYMENT" | field redirectUrl)" -d action=pay

# 4. See how the payment stands
curl -s "$BASE/api/payments/status?transactionId=$TRANSACTION" -H "authorization: Bearer $TOKEN"; echo

# 5. Run a background job now
curl -s -X POST "$BASE/api/jobs/expire-seats" -H "x-job-secret: $JOB_SECRET_KEY"; echo
# --- end ---
